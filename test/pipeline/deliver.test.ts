import { imbalance } from '../../src/model/ledger.js'
import { countDatapoints, type MetricList } from '../../src/model/metric-list.js'
import type { WriteResult } from '../../src/outputs/sink.js'
import { createDelivery, type DeliveryOptions } from '../../src/pipeline/deliver.js'
import { createBackoff } from '../../src/platform/backoff.js'
import { StatsError } from '../../src/platform/errors.js'
import { Ledger } from '../../src/telemetry/ledger.js'
import { silentLog } from '../../src/telemetry/log.js'
import { createFakeClock } from '../support/fake-clock.js'
import { createGate } from '../support/gate.js'
import { createScriptedSink, listOf } from '../support/scripted-sink.js'
import { hasSettled } from '../support/settled.js'

const away = { status: 'retry', cause: new Error('connect ECONNREFUSED') } as const

async function start(over: Partial<DeliveryOptions> = {}) {
  const clock = createFakeClock()
  const sink = createScriptedSink()
  const ledger = new Ledger('test')
  const delivery = createDelivery({
    sink,
    ledger,
    clock,
    log: silentLog,
    backoff: createBackoff({ firstMs: 1000, maxMs: 60_000, jitter: 0 }),
    queue: { limitBytes: 1000, whenFull: 'wait', dropReason: 'queue_full' },
    ...over,
  })
  await delivery.open(new AbortController().signal)
  const push = (...lists: MetricList[]) => {
    for (const list of lists) ledger.received += list.datapoints.count
    return delivery.push(lists)
  }
  return { clock, sink, ledger, delivery, push }
}

function sentAll(lists: readonly MetricList[]): WriteResult {
  return { status: 'sent', datapoints: countDatapoints(lists) }
}

function never(): Promise<never> {
  return new Promise(() => {})
}

function expectBalanced(ledger: Ledger) {
  expect({ ...ledger.snapshot(), imbalance: imbalance(ledger.snapshot()) }).toMatchObject({ imbalance: 0 })
}

describe('createDelivery', () => {
  test('a batch that is to be repeated comes again after 1, 2, 4 ... s, and after that the wait starts over', async () => {
    const { clock, sink, ledger, push } = await start()
    sink.answers.push(
      () => away,
      () => away,
      () => away,
    )
    await push(listOf(3))
    await clock.advance(999)
    expect(sink.calls.filter((call) => call === 'write')).toHaveLength(1)
    await clock.advance(1)
    expect(sink.calls.filter((call) => call === 'write')).toHaveLength(2)
    expect(ledger.snapshot()).toMatchObject({ received: 3, forwarded: 0, held: 3 })
    await clock.advance(2000 + 4000)
    expect(ledger.snapshot()).toEqual({ hop: 'test', received: 3, forwarded: 3, dropped: {}, held: 0 })
    sink.answers.push(() => away)
    await push(listOf(1))
    await clock.advance(1000)
    expect(ledger.forwarded).toBe(4)
  })

  test('the peer may ask for a longer wait than the back-off', async () => {
    const { clock, sink, ledger, push } = await start()
    sink.answers.push(() => ({ ...away, afterMs: 30_000 }))
    await push(listOf(1))
    await clock.advance(29_999)
    expect(ledger.forwarded).toBe(0)
    await clock.advance(1)
    expect(ledger.forwarded).toBe(1)
  })

  test('what a sink drops is counted under its reason beside what it sent', async () => {
    const { clock, sink, ledger, push } = await start()
    sink.answers.push(() => ({
      status: 'sent',
      datapoints: 7,
      dropped: [
        { datapoints: 2, reason: 'not_finite' },
        { datapoints: 1, reason: 'rejected_by_sink' },
      ],
    }))
    await push(listOf(10))
    await clock.advance(0)
    expect(ledger.snapshot()).toMatchObject({ forwarded: 7, dropped: { not_finite: 2, rejected_by_sink: 1 }, held: 0 })
  })

  test('a full queue makes push wait until the sink has taken something', async () => {
    const { clock, sink, ledger, push } = await start()
    sink.answers.push(() => away)
    await push(listOf(1))
    const waiting = push(listOf(200))
    expect(await hasSettled(waiting)).toBe(false)
    await clock.advance(1000)
    await waiting
    expectBalanced(ledger)
    expect(ledger.forwarded).toBe(201)
  })

  test('who waits goes on when half of the queue is free', async () => {
    const { sink, push } = await start()
    const gates = [createGate(), createGate(), createGate()] as const
    for (const { promise } of gates) sink.answers.push((lists) => promise.then(() => sentAll(lists)))
    for (const count of [1, 40]) await push(listOf(count))
    const waiting = push(listOf(60))
    for (const gate of gates.slice(0, 2)) {
      gate.open()
      // The second time 664 of 1,000 bytes wait.
      expect(await hasSettled(waiting)).toBe(false)
    }
    gates[2].open()
    await waiting
  })

  test('or the oldest batches go, counted, and the newest stays', async () => {
    const { clock, sink, ledger, push } = await start({
      queue: { limitBytes: 1000, whenFull: 'drop_oldest', dropReason: 'collector_away' },
    })
    sink.answers.push(() => away)
    await push(listOf(1))
    await clock.advance(0)
    for (const count of [50, 40, 30]) await push(listOf(count))
    expect(ledger.snapshot()).toMatchObject({ dropped: { collector_away: 50 }, held: 71 })
    await push(listOf(500))
    expect(ledger.snapshot()).toMatchObject({ dropped: { collector_away: 120 }, held: 501 })
    await clock.advance(1000)
    expect(sink.written.map((lists) => lists[0]?.datapoints.count)).toEqual([1, 500])
    expectBalanced(ledger)
  })

  test('where the sink is there and more comes than it takes, they are counted as queue_full', async () => {
    const { clock, sink, ledger, push } = await start({
      queue: { limitBytes: 1000, whenFull: 'drop_oldest', dropReason: 'collector_away' },
    })
    const writing = createGate()
    sink.answers.push(async (lists) => {
      await writing.promise
      return sentAll(lists)
    })
    await push(listOf(1))
    await clock.advance(0)
    for (const count of [50, 40, 30]) await push(listOf(count))
    expect(ledger.snapshot()).toMatchObject({ dropped: { queue_full: 50 }, held: 71 })
    // One that answers nothing for long is not there.
    await clock.advance(1001)
    await push(listOf(60))
    expect(ledger.snapshot()).toMatchObject({ dropped: { queue_full: 50, collector_away: 70 }, held: 61 })
    writing.open()
    await clock.advance(0)
    expectBalanced(ledger)
    expect(ledger.forwarded).toBe(61)
  })

  test('half-filled batches leave early where they are half of what may wait, and count for it', async () => {
    const triggers: string[] = []
    const { sink, push } = await start({
      batch: { limits: { ageMs: 60_000 }, keyOf: (list) => list.topic },
      onBatch: (_batch, trigger) => triggers.push(trigger),
    })
    sink.answers.push(never)
    await push(listOf(20, 'a'))
    expect(triggers).toEqual([])
    await push(listOf(45, 'b'))
    expect(triggers).toEqual(['memory', 'memory'])
    // 514 bytes wait; half-filled, 264 and 234 more.
    await push(listOf(20, 'c'))
    expect(await hasSettled(push(listOf(17, 'd')))).toBe(false)
    expect(triggers).toHaveLength(2)
  })

  test('what a sink gave to its peer once more is in the ledger beside what was forwarded', async () => {
    const { clock, sink, ledger, push } = await start()
    sink.answers.push(
      () => away,
      () => ({ ...away, repeated: 3 }),
      () => ({ status: 'sent', datapoints: 3, repeated: 3 }),
    )
    await push(listOf(3))
    await clock.advance(3000)
    expect(ledger.snapshot()).toEqual({ hop: 'test', received: 3, forwarded: 3, dropped: {}, held: 0, repeated: 6 })
  })

  describe('readiness', () => {
    function watching() {
      const told: string[] = []
      return { told, readiness: { ready: () => told.push('ready'), waiting: (reason: string) => told.push(reason) } }
    }

    test('a sink that refuses for ten seconds is waited for, with the reason, and is ready when it takes data', async () => {
      const { told, readiness } = watching()
      const { clock, sink, push } = await start({ readiness })
      for (let i = 0; i < 5; i++) sink.answers.push(() => away)
      await push(listOf(1))
      await clock.advance(9_999)
      expect(told).toEqual(['ready'])
      await clock.advance(1)
      expect(told).toEqual(['ready', 'connect ECONNREFUSED'])
      await clock.advance(60_000)
      expect(told).toEqual(['ready', 'connect ECONNREFUSED', 'connect ECONNREFUSED', 'ready'])
    })

    test('so is one that does not answer at all', async () => {
      const { told, readiness } = watching()
      const { clock, sink, push } = await start({ readiness })
      const answer = createGate<WriteResult>()
      sink.answers.push(() => answer.promise)
      await push(listOf(1))
      await clock.advance(10_000)
      expect(told).toEqual(['ready', 'no answer for 10 s'])
      answer.open({ status: 'sent', datapoints: 1 })
      await clock.advance(0)
      expect(told).toEqual(['ready', 'no answer for 10 s', 'ready'])
    })

    test('a short absence, and rest, say nothing', async () => {
      const { told, readiness } = watching()
      const { clock, sink, push } = await start({ readiness })
      sink.answers.push(() => away)
      await push(listOf(1))
      await clock.advance(600_000)
      expect(told).toEqual(['ready'])
    })
  })

  test('stages see the lists at each write, so that a retry has the newest tags', async () => {
    let agentId = 'unknown'
    const tagged = (lists: readonly MetricList[]) => lists.map((list) => ({ ...list, topic: agentId }))
    const { clock, sink, push } = await start({ through: [tagged] })
    sink.answers.push(() => away)
    await push(listOf(1))
    agentId = 'S1'
    await clock.advance(1000)
    expect(sink.written[0]?.[0]?.topic).toBe('S1')
  })

  test('waiting batches share a write up to mergeBytes', async () => {
    const { clock, sink, push } = await start({ mergeBytes: 300 })
    sink.answers.push(() => away)
    for (const count of [1, 10, 10, 10]) await push(listOf(count))
    await clock.advance(1000)
    // A list of 10 datapoints weighs 164 bytes here: two would be over 300, so nothing merges; the small ones below do.
    expect(sink.written.map((lists) => lists.length)).toEqual([1, 1, 1, 1])
    sink.answers.push(() => away)
    for (const count of [1, 2, 3, 4]) await push(listOf(count))
    await clock.advance(1000)
    expect(sink.written.slice(4).map((lists) => lists.length)).toEqual([1, 3])
  })

  test('with gatherMs what comes soon after a write shares the next one, unless there is enough for one sooner', async () => {
    const { clock, sink, ledger, delivery, push } = await start({ gatherMs: 20, mergeBytes: 300 })
    const listsOfWrites = () => sink.written.map((lists) => lists.length)
    await push(listOf(1))
    await clock.advance(0)
    expect(listsOfWrites()).toEqual([1])
    for (const count of [1, 2]) await push(listOf(count))
    await clock.advance(19)
    expect(listsOfWrites()).toEqual([1])
    await clock.advance(1)
    expect(listsOfWrites()).toEqual([1, 2])
    for (const count of [10, 10]) await push(listOf(count))
    await clock.advance(0)
    expect(listsOfWrites()).toEqual([1, 2, 1])
    // The rest of it has to wait again, but not at the end.
    const drained = delivery.drain(new AbortController().signal)
    await clock.advance(0)
    await drained
    expect(listsOfWrites()).toEqual([1, 2, 1, 1])
    expectBalanced(ledger)
  })

  test('lists are settled once they were sent or dropped, and not before', async () => {
    const settled: number[] = []
    const onSettled = (lists: readonly MetricList[]) => settled.push(countDatapoints(lists))
    const queue = { limitBytes: 300, whenFull: 'drop_oldest', dropReason: 'collector_away' } as const
    const { clock, sink, delivery, push } = await start({ onSettled, queue })
    sink.answers.push(() => away)
    for (const count of [10, 11]) await push(listOf(count))
    await clock.advance(0)
    expect(settled).toEqual([])
    await push(listOf(12))
    expect(settled).toEqual([11])
    await clock.advance(1000)
    await delivery.drain(new AbortController().signal)
    expect(settled).toEqual([11, 10, 12])
  })

  test('a batch over the global limit is dropped and counted, and its push settles', async () => {
    const { ledger, push } = await start({ admit: () => false, pushSettles: 'when_written' })
    await push(listOf(5))
    expect(ledger.snapshot()).toMatchObject({ dropped: { global_limit: 5 }, held: 0 })
  })

  describe('when push settles only after the sink has answered', () => {
    const written = { pushSettles: 'when_written' } as const

    test('it waits for every batch that has one of its lists', async () => {
      const { clock, sink, push } = await start({ ...written, batch: { limits: { lists: 1 } } })
      sink.answers.push(
        () => ({ status: 'sent', datapoints: 1 }),
        () => away,
      )
      const waiting = push(listOf(1), listOf(1))
      await clock.advance(0)
      expect(await hasSettled(waiting)).toBe(false)
      await clock.advance(1000)
      await waiting
    })

    test('what has no answer at the deadline is given back and stays held', async () => {
      const { sink, ledger, delivery, push } = await start(written)
      sink.answers.push(
        (_lists, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(away))),
      )
      const waiting = push(listOf(4))
      await delivery.drain(AbortSignal.abort())
      await expect(waiting).rejects.toMatchObject({ code: 'DS_SHUTDOWN' })
      expect(ledger.snapshot()).toMatchObject({ received: 4, forwarded: 0, dropped: {}, held: 4 })
    })

    test('a sink that can never work again rejects it, and every push after it', async () => {
      const { sink, delivery, push } = await start(written)
      const refused = new StatsError('DS_INFLUX_AUTH', 'refused', { exitCode: 69 })
      sink.answers.push(() => {
        throw refused
      })
      await expect(push(listOf(1))).rejects.toBe(refused)
      await expect(delivery.ended).rejects.toBe(refused)
      await expect(push(listOf(1))).rejects.toBe(refused)
    })
  })

  test('drain writes what waits for a batch to fill', async () => {
    const { sink, ledger, delivery, push } = await start({ batch: { limits: { datapoints: 100, ageMs: 60_000 } } })
    await push(listOf(2))
    await push(listOf(3))
    await delivery.drain(new AbortController().signal)
    expect(sink.written).toHaveLength(1)
    expect(ledger.snapshot()).toMatchObject({ forwarded: 5, held: 0 })
  })

  test("what cannot be written before the deadline is dropped with the queue's reason", async () => {
    const { clock, sink, ledger, delivery, push } = await start()
    for (let i = 0; i < 10; i++) sink.answers.push(() => away)
    await push(listOf(2))
    await clock.advance(0)
    const deadline = new AbortController()
    const drained = delivery.drain(deadline.signal)
    await clock.advance(3000)
    deadline.abort()
    await drained
    expect(ledger.snapshot()).toEqual({ hop: 'test', received: 2, forwarded: 0, dropped: { queue_full: 2 }, held: 0 })
  })

  test('a sink that does not heed its signal holds the process for one more second only', async () => {
    const { clock, sink, ledger, delivery, push } = await start()
    sink.answers.push(never)
    await push(listOf(2))
    const drained = delivery.drain(AbortSignal.abort())
    await clock.advance(1000)
    await drained
    expect(ledger.snapshot()).toMatchObject({ dropped: { queue_full: 2 }, held: 0 })
  })
})
