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

function createTap(name: string, calls: string[] = []): Tap & { seen: MetricList[] } {
  const seen: MetricList[] = []
  return {
    name,
    seen,
    async open() {
      calls.push(`open ${name}`)
    },
    push: (lists) => void seen.push(...lists),
    async close() {
      calls.push(`close ${name}`)
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

test('taps get every list once and at once while the sink is away, and the ledger does not notice', async () => {
  const { clock, sink, ledger, delivery } = create()
  const taps = [createTap('a'), createTap('b')]
  const tapped = tappedDelivery(delivery, taps)
  await tapped.open(signal)
  sink.answers.push(...Array.from({ length: 5 }, () => () => away))
  const lists = Array.from({ length: 10 }, (_, n) => listOf(n + 1, `topic${n}`))
  for (const list of lists) {
    ledger.received += list.datapoints.count
    await tapped.push([list])
  }
  for (const { seen } of taps) expect(seen).toEqual(lists)
  expect(ledger.snapshot()).toMatchObject({ received: 55, forwarded: 0, held: 55 })
  await clock.advance(31_000)
  expect(ledger.snapshot()).toEqual({ hop: 'test', received: 55, forwarded: 55, dropped: {}, held: 0 })
  for (const { seen } of taps) expect(seen).toEqual(lists)
})

test('taps do not wait for a batch to fill', async () => {
  const { sink, delivery } = create({ batchAgeMs: 15_000 })
  const tap = createTap('a')
  const tapped = tappedDelivery(delivery, [tap])
  await tapped.open(signal)
  await tapped.push([listOf(1)])
  expect(tap.seen).toHaveLength(1)
  expect(sink.calls).toEqual(['open'])
})

test('stages are done once for all taps, and not to what the delivery gets', async () => {
  const { sink, delivery } = create()
  const taps = [createTap('a'), createTap('b')]
  const stage = (lists: readonly MetricList[]) => lists.map((list) => ({ ...list, tags: [{ key: 'k', value: 'v' }] }))
  const tapped = tappedDelivery(delivery, taps, [stage])
  await tapped.open(signal)
  await tapped.push([listOf(1)])
  expect(taps[0]!.seen[0]!.tags).toEqual([{ key: 'k', value: 'v' }])
  expect(taps[1]!.seen[0]).toBe(taps[0]!.seen[0])
  await tapped.drain(signal)
  expect(sink.written[0]![0]!.tags).toEqual([])
})

test('taps open before the sink and close after it', async () => {
  const calls: string[] = []
  const { sink, delivery } = create()
  const tapped = tappedDelivery(delivery, [createTap('a', calls), createTap('b', calls)])
  await tapped.open(signal)
  expect([calls.splice(0), sink.calls]).toEqual([['open a', 'open b'], ['open']])
  await tapped.drain(signal)
  await tapped.close()
  expect([calls, sink.calls]).toEqual([
    ['close a', 'close b'],
    ['open', 'close'],
  ])
})

test('a tap that cannot open ends the start, and everything can be closed', async () => {
  const calls: string[] = []
  const { sink, delivery } = create()
  const taken = new StatsError('DS_X', 'the port is taken', { exitCode: 69 })
  const broken = { ...createTap('broken', calls), open: () => Promise.reject(taken) }
  const tapped = tappedDelivery(delivery, [createTap('a', calls), broken])
  await expect(tapped.open(signal)).rejects.toBe(taken)
  await tapped.close()
  expect(calls).toEqual(['open a', 'close a', 'close broken'])
  expect(sink.calls).toEqual(['close'])
})

test('without taps it is the delivery itself', () => {
  const { delivery } = create()
  expect(tappedDelivery(delivery, [])).toBe(delivery)
})
