import type { MetricList } from '../../src/model/metric-list.js'
import { createPartnerTap } from '../../src/outputs/partner-tap.js'
import type { Tap } from '../../src/outputs/tap.js'
import { StatsError } from '../../src/platform/errors.js'
import { Counters } from '../../src/telemetry/counters.js'
import { createFakeClock } from '../support/fake-clock.js'
import { until } from '../support/partner.js'
import { listOf } from '../support/scripted-sink.js'

const signal = new AbortController().signal

function createPartner(calls: string[] = [], name = 'partner'): Tap & { pushes: MetricList[][] } {
  const pushes: MetricList[][] = []
  return {
    name,
    pushes,
    async open() {
      calls.push(`open ${name}`)
    },
    push: (lists) => void pushes.push([...lists]),
    async close() {
      calls.push(`close ${name}`)
    },
  }
}

function create({ queueLimitBytes }: { queueLimitBytes?: number } = {}) {
  const partners = [createPartner(), createPartner()]
  const counters = new Counters()
  const clock = createFakeClock()
  const tap = createPartnerTap({ partners, counters, clock, ...(queueLimitBytes !== undefined && { queueLimitBytes }) })
  const queueFull = () => counters.value('collector.partner.datapoints_queue_full')
  return { tap, partners, clock, queueFull }
}

const lists = (count: number, datapoints: number) =>
  Array.from({ length: count }, (_, n) => listOf(datapoints, `topic${n}`))

test('every partner gets a small piece at once', () => {
  const { tap, partners } = create()
  const piece = lists(10, 100)
  tap.push(piece)
  for (const { pushes } of partners) expect(pushes).toEqual([piece])
})

test('a big piece comes in slices, with other work between, whole and in order', async () => {
  const { tap, partners, queueFull } = create()
  const big = lists(100, 100)
  tap.push(big)
  expect(partners[0]!.pushes.flat()).toHaveLength(20)
  let turns = 0
  const count = () => {
    turns += 1
    if (partners[1]!.pushes.length < 5) setImmediate(count)
  }
  setImmediate(count)
  await until(() => partners[1]!.pushes.length === 5)
  expect(turns).toBeGreaterThanOrEqual(4)
  for (const { pushes } of partners) expect(pushes.flat()).toEqual(big)
  expect(queueFull()).toBe(0)
})

test('what comes behind a big piece waits its turn', async () => {
  const { tap, partners } = create()
  const [big, small] = [lists(50, 100), [listOf(1, 'small')]]
  tap.push(big)
  tap.push(small)
  await until(() => partners[0]!.pushes.flat().length === 51)
  expect(partners[0]!.pushes.flat()).toEqual([...big, ...small])
})

test('what finds the queue full is counted, and later pieces are taken again', async () => {
  const { tap, partners, queueFull } = create({ queueLimitBytes: 50_000 })
  tap.push(lists(100, 100))
  expect(queueFull()).toBe(5000)
  await until(() => partners[0]!.pushes.flat().length === 50)
  tap.push([listOf(10, 'later')])
  expect(partners[0]!.pushes.flat().at(-1)!.topic).toBe('later')
  expect(queueFull()).toBe(5000)
})

test('a list larger than the queue is taken where nothing else waits', () => {
  const { tap, partners, queueFull } = create({ queueLimitBytes: 10 })
  tap.push([listOf(5000)])
  expect([partners[0]!.pushes.flat().length, queueFull()]).toEqual([1, 0])
})

test('at the end partners get what waits before they are closed', async () => {
  const calls: string[] = []
  const partner = createPartner(calls)
  const tap = createPartnerTap({ partners: [partner], counters: new Counters(), clock: createFakeClock() })
  await tap.open(signal)
  const big = lists(100, 100)
  tap.push(big)
  await tap.close()
  expect([partner.pushes.flat().length, calls]).toEqual([100, ['open partner', 'close partner']])
})

test('at the end nobody waits longer than a second for partners, and the rest is counted', async () => {
  const { tap, partners, clock, queueFull } = create()
  tap.push(lists(100, 100))
  const slow = partners[0]!.push
  partners[0]!.push = (slice) => {
    slow(slice)
    void clock.advance(600)
  }
  await tap.close()
  const given = partners[1]!.pushes.flat().length
  expect(given).toBeLessThan(100)
  expect(queueFull()).toBe((100 - given) * 100)
})

test('a partner that cannot open ends the start, and all can be closed', async () => {
  const calls: string[] = []
  const taken = new StatsError('DS_X', 'the port is taken', { exitCode: 69 })
  const broken = { ...createPartner(calls, 'broken'), open: () => Promise.reject(taken) }
  const partners = [createPartner(calls, 'first'), broken]
  const tap = createPartnerTap({ partners, counters: new Counters(), clock: createFakeClock() })
  await expect(tap.open(signal)).rejects.toBe(taken)
  await tap.close()
  expect(calls).toEqual(['open first', 'close first', 'close broken'])
})
