import type { MetricList } from '../../src/model/metric-list.js'
import type { Tap } from '../../src/outputs/tap.js'
import { createDelivery } from '../../src/pipeline/deliver.js'
import { tappedDelivery } from '../../src/pipeline/tapped-delivery.js'
import { createBackoff } from '../../src/platform/backoff.js'
import { StatsError } from '../../src/platform/errors.js'
import { Ledger } from '../../src/telemetry/ledger.js'
import { silentLog } from '../../src/telemetry/log.js'
import { createFakeClock } from '../support/fake-clock.js'
import { createScriptedSink, listOf } from '../support/scripted-sink.js'

const away = { status: 'retry', cause: new Error('connect ECONNREFUSED') } as const
const signal = new AbortController().signal

function createTap(calls: string[] = []): Tap & { seen: MetricList[] } {
  const seen: MetricList[] = []
  return {
    name: 'tap',
    seen,
    async open() {
      calls.push('open tap')
    },
    push: (lists) => void seen.push(...lists),
    async close() {
      calls.push('close tap')
    },
  }
}

function create({ batchAgeMs }: { batchAgeMs?: number } = {}) {
  const clock = createFakeClock()
  const sink = createScriptedSink()
  const ledger = new Ledger('test')
  const delivery = createDelivery({
    sink,
    ledger,
    clock,
    log: silentLog,
    backoff: createBackoff({ firstMs: 1000, maxMs: 60_000, jitter: 0 }),
    queue: { limitBytes: 1_000_000, whenFull: 'wait', dropReason: 'queue_full' },
    ...(batchAgeMs !== undefined && { batch: { limits: { ageMs: batchAgeMs } } }),
  })
  return { clock, sink, ledger, delivery }
}

test('the tap gets every list once and at once while the sink is away, and the ledger does not notice', async () => {
  const { clock, sink, ledger, delivery } = create()
  const tap = createTap()
  const tapped = tappedDelivery(delivery, tap)
  await tapped.open(signal)
  sink.answers.push(...Array.from({ length: 5 }, () => () => away))
  const lists = Array.from({ length: 10 }, (_, n) => listOf(n + 1, `topic${n}`))
  for (const list of lists) {
    ledger.received += list.datapoints.count
    await tapped.push([list])
  }
  expect(tap.seen).toEqual(lists)
  expect(ledger.snapshot()).toMatchObject({ received: 55, forwarded: 0, held: 55 })
  await clock.advance(31_000)
  expect(ledger.snapshot()).toEqual({ hop: 'test', received: 55, forwarded: 55, dropped: {}, held: 0 })
  expect(tap.seen).toEqual(lists)
})

test('the tap does not wait for a batch to fill', async () => {
  const { sink, delivery } = create({ batchAgeMs: 15_000 })
  const tap = createTap()
  const tapped = tappedDelivery(delivery, tap)
  await tapped.open(signal)
  await tapped.push([listOf(1)])
  expect(tap.seen).toHaveLength(1)
  expect(sink.calls).toEqual(['open'])
})

test('stages are done to what the tap sees, and not to what the delivery gets', async () => {
  const { sink, delivery } = create()
  const tap = createTap()
  const stage = (lists: readonly MetricList[]) => lists.map((list) => ({ ...list, tags: [{ key: 'k', value: 'v' }] }))
  const tapped = tappedDelivery(delivery, tap, [stage])
  await tapped.open(signal)
  await tapped.push([listOf(1)])
  expect(tap.seen[0]!.tags).toEqual([{ key: 'k', value: 'v' }])
  await tapped.drain(signal)
  expect(sink.written[0]![0]!.tags).toEqual([])
})

test('the tap opens before the sink and closes after it', async () => {
  const { sink, delivery } = create()
  const tapped = tappedDelivery(delivery, createTap(sink.calls))
  await tapped.open(signal)
  await tapped.drain(signal)
  await tapped.close()
  expect(sink.calls).toEqual(['open tap', 'open', 'close', 'close tap'])
})

test('a tap that cannot open ends the start, and everything can be closed', async () => {
  const { sink, delivery } = create()
  const taken = new StatsError('DS_X', 'the port is taken', { exitCode: 69 })
  const tapped = tappedDelivery(delivery, { ...createTap(sink.calls), open: () => Promise.reject(taken) })
  await expect(tapped.open(signal)).rejects.toBe(taken)
  await tapped.close()
  expect(sink.calls).toEqual(['close', 'close tap'])
})
