import { imbalance } from '../../src/model/ledger.js'
import { countDatapoints, type MetricList } from '../../src/model/metric-list.js'
import type { Load, PackingSink, WriteResult } from '../../src/outputs/sink.js'
import { sizeOf } from '../../src/pipeline/batch.js'
import { createDelivery, type DeliveryOptions } from '../../src/pipeline/deliver.js'
import { createBackoff } from '../../src/platform/backoff.js'
import { Ledger } from '../../src/telemetry/ledger.js'
import { silentLog } from '../../src/telemetry/log.js'
import { createFakeClock } from '../support/fake-clock.js'
import { createGate } from '../support/gate.js'
import { listOf } from '../support/scripted-sink.js'
import { hasSettled } from '../support/settled.js'

// Sinks that make the bytes of a write as lists come.

const away = { status: 'retry', cause: new Error('connect ECONNREFUSED') } as const
type Answer = WriteResult | Promise<WriteResult>

interface TestLoad extends Load {
  /** Topics of the lists that were added. */
  readonly topics: string[]
  datapoints: number
  byteLength: number
}

/** Answers what a test tells it to, then that everything was sent. */
function createPackingSink(open: () => Promise<void> = async () => {}, { packedBytes = sizeOf } = {}) {
  const loads: TestLoad[] = []
  const written: TestLoad[] = []
  const answers: Answer[] = []
  const sink: PackingSink = {
    name: 'packing',
    open,
    newLoad() {
      const load: TestLoad = {
        topics: [],
        datapoints: 0,
        byteLength: 0,
        add(lists) {
          for (const list of lists) load.byteLength += packedBytes(list)
          load.topics.push(...lists.map(({ topic }) => topic))
          load.datapoints += countDatapoints(lists)
        },
        async write() {
          written.push(load)
          return answers.shift() ?? { status: 'sent', datapoints: load.datapoints }
        },
      }
      loads.push(load)
      return load
    },
    write: () => Promise.reject(new Error('a sink that packs is written to by its loads')),
    async close() {},
  }
  return { sink, loads, written, answers }
}

async function start(over: Partial<DeliveryOptions> & Pick<DeliveryOptions, 'sink'>) {
  const clock = createFakeClock()
  const ledger = new Ledger('test')
  const delivery = createDelivery({
    ledger,
    clock,
    log: silentLog,
    backoff: createBackoff({ firstMs: 1000, maxMs: 60_000, jitter: 0 }),
    queue: { limitBytes: 100_000, whenFull: 'wait', dropReason: 'queue_full' },
    mergeBytes: 1000,
    ...over,
  })
  const opened = delivery.open(new AbortController().signal)
  await clock.advance(1000)
  await opened
  const push = (...lists: MetricList[]) => {
    for (const list of lists) ledger.received += list.datapoints.count
    return delivery.push(lists)
  }
  return { clock, ledger, delivery, push }
}

function renamed(topic: () => string) {
  return (lists: readonly MetricList[]) => lists.map((list) => ({ ...list, topic: topic() }))
}

test('lists are added as soon as their batch is complete, once; after a retry the same load comes again', async () => {
  const { sink, loads, written, answers } = createPackingSink()
  const { clock, ledger, push } = await start({ sink, through: [renamed(() => 'staged')] })
  const answer = createGate<WriteResult>()
  answers.push(answer.promise)
  await Promise.all([1, 2, 3].map((count) => push(listOf(count))))
  await clock.advance(0)
  await push(listOf(4))
  expect(loads.map(({ topics }) => topics.length)).toEqual([3, 1])
  expect(loads[0]?.topics).toEqual(['staged', 'staged', 'staged'])
  expect(ledger.snapshot()).toMatchObject({ received: 10, forwarded: 0, held: 10 })
  answer.open({ ...away, repeated: 6 })
  await clock.advance(1000)
  expect(written).toEqual([loads[0], loads[0], loads[1]])
  expect(loads.map(({ datapoints }) => datapoints)).toEqual([6, 4])
  expect(ledger.snapshot()).toMatchObject({ received: 10, forwarded: 10, held: 0, repeated: 6 })
  expect(imbalance(ledger.snapshot())).toBe(0)
})

test('while the sink is away they are not, so that they have the newest tags when it is back', async () => {
  let agentId = 'unknown'
  const { sink, loads, answers } = createPackingSink()
  const { clock, ledger, push } = await start({ sink, through: [renamed(() => agentId)] })
  answers.push(away)
  await push(listOf(1))
  await clock.advance(0)
  for (const count of [2, 3]) await push(listOf(count))
  expect(loads.map(({ topics }) => topics)).toEqual([['unknown'], []])
  agentId = 'S1'
  await clock.advance(1000)
  expect(loads.map(({ topics }) => topics)).toEqual([['unknown'], ['S1', 'S1']])
  expect(ledger.forwarded).toBe(6)
})

test('nor are they before the sink is open', async () => {
  let agentId = 'unknown'
  const opening = createGate()
  const { sink, loads } = createPackingSink(() => opening.promise)
  const { clock, ledger, push } = await start({ sink, through: [renamed(() => agentId)] })
  await push(listOf(1))
  agentId = 'S1'
  opening.open()
  await clock.advance(0)
  expect(loads.map(({ topics }) => topics)).toEqual([['S1']])
  expect(ledger.forwarded).toBe(1)
})

test('a load has as many batches as mergeBytes lets in; one that is larger goes alone', async () => {
  const { sink, loads, answers } = createPackingSink()
  const { clock, push } = await start({ sink, mergeBytes: 300 })
  answers.push(new Promise(() => {}))
  await push(listOf(1))
  await clock.advance(0)
  // A list weighs 64 bytes and 10 for each of its datapoints.
  for (const count of [10, 1, 1, 100, 1]) await push(listOf(count))
  expect(loads.map(({ datapoints }) => datapoints)).toEqual([1, 11, 1, 100, 1])
})

test('what a load takes is what became of its lists', async () => {
  const { sink, loads, answers } = createPackingSink(undefined, { packedBytes: ({ datapoints }) => datapoints.count })
  const { clock, push } = await start({ sink, mergeBytes: 1500 })
  answers.push(new Promise(() => {}))
  await push(listOf(1))
  await clock.advance(0)
  // A list of 100 datapoints weighs 1,064 bytes while it comes, and 100 in the load.
  for (const count of [100, 100, 100, 140, 1]) await push(listOf(count))
  expect(loads.map(({ datapoints }) => datapoints)).toEqual([1, 300, 141])
})

test('while the sink is away lists take what they are', async () => {
  const { sink, answers } = createPackingSink(undefined, { packedBytes: () => 1 })
  const queue = { limitBytes: 1000, whenFull: 'wait', dropReason: 'queue_full' } as const
  const { clock, ledger, push } = await start({ sink, queue })
  answers.push(away)
  await push(listOf(1))
  await clock.advance(0)
  await push(listOf(80))
  const waiting = push(listOf(80))
  expect(await hasSettled(waiting)).toBe(false)
  await clock.advance(1000)
  await waiting
  expect(ledger.snapshot()).toMatchObject({ received: 161, forwarded: 161, held: 0 })
})

test('every push of a load settles when it was written', async () => {
  const { sink, loads, answers } = createPackingSink()
  const { clock, ledger, push } = await start({ sink, pushSettles: 'when_written' })
  const answer = createGate<WriteResult>()
  answers.push(answer.promise)
  const settled: number[] = []
  const pushes = [1, 2, 3].map((count) => push(listOf(count)).then(() => void settled.push(count)))
  await clock.advance(0)
  expect([loads.length, settled]).toEqual([1, []])
  answer.open({ status: 'sent', datapoints: 6 })
  await Promise.all(pushes)
  expect(settled).toEqual([1, 2, 3])
  expect(imbalance(ledger.snapshot())).toBe(0)
})

test('what cannot be written before the deadline is dropped, in loads and out of them', async () => {
  const { sink, answers } = createPackingSink()
  const { clock, ledger, delivery, push } = await start({ sink })
  answers.push(away)
  for (const count of [1, 2, 3]) await push(listOf(count))
  await clock.advance(0)
  const deadline = new AbortController()
  const drained = delivery.drain(deadline.signal)
  deadline.abort()
  await clock.advance(2000)
  await drained
  expect(ledger.snapshot()).toMatchObject({ received: 6, dropped: { queue_full: 6 }, held: 0 })
})
