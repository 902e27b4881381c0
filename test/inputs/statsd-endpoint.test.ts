import fc from 'fast-check'
import { unpackLists } from '../../src/codec/list-packs.js'
import { defaultStatsdRules, type StatsdRules } from '../../src/codec/statsd-packet.js'
import type { Owner } from '../../src/containers/endpoint.js'
import { type EndpointOptions, StatsdEndpoint } from '../../src/inputs/statsd-endpoint.js'
import { StatsdIntake } from '../../src/inputs/statsd-intake.js'
import { imbalance } from '../../src/model/ledger.js'
import { countDatapoints, type MetricList } from '../../src/model/metric-list.js'
import { Counters } from '../../src/telemetry/counters.js'
import { Ledger } from '../../src/telemetry/ledger.js'
import { silentLog } from '../../src/telemetry/log.js'
import { createFakeClock } from '../support/fake-clock.js'
import { createRandom, randomPacket } from '../support/statsd-random.js'
import { readDatapoints, summary } from '../support/statsd-reading.js'
import { known } from '../support/statsd-source.js'

const pending: Owner = { status: 'pending', containerId: 'c1' }
const unknown: Owner = { status: 'unknown' }
const receivedMetric = 'dcos.metrics.module.container_received_bytes_per_sec'
const throttledMetric = 'dcos.metrics.module.container_throttled_bytes_per_sec'

/** Endpoints without sockets: packets are given to them. */
function createEndpoints(
  options: Partial<EndpointOptions> = {},
  rules: Partial<StatsdRules> = {},
  gaugeDeltas = false,
) {
  const clock = createFakeClock()
  const telemetry = { ledger: new Ledger('statsd-proxy'), counters: new Counters(), log: silentLog }
  const { ledger } = telemetry
  const lists: MetricList[] = []
  const imbalances: unknown[] = []
  const intake = new StatsdIntake({
    rules: { ...defaultStatsdRules, ...rules },
    gaugeDeltas,
    chunkSizeDatapoints: 7,
    telemetry,
  })
  intake.start(async (chunk) => {
    lists.push(...unpackLists(chunk))
    ledger.forwarded += countDatapoints(chunk)
    // A plain comparison: `expect` would take most of the time of the tests with many packets.
    if (imbalance(ledger.snapshot()) !== 0) imbalances.push(ledger.snapshot())
  })
  const endpointOptions: EndpointOptions = {
    intake,
    clock,
    telemetry,
    limitBytes: Number.POSITIVE_INFINITY,
    limitPeriodMs: 60_000,
    unknownHoldMs: 2000,
    holdLimitBytes: 100_000,
    holdBudget: { limitBytes: 1_000_000, usedBytes: 0 },
    onLine: undefined,
    ...options,
  }
  return {
    clock,
    ledger,
    counters: telemetry.counters,
    intake,
    lists,
    imbalances,
    budget: endpointOptions.holdBudget,
    open: (owner: Owner) => {
      const endpoint = new StatsdEndpoint(endpointOptions, owner)
      return Object.assign(endpoint, { send: (packet: string | Buffer) => endpoint.receive(Buffer.from(packet)) })
    },
    /** What has left, the chunk in the making too. */
    points: () => {
      intake.flush()
      return summary(lists)
    },
  }
}

describe('while the agent has not named a container', () => {
  test('its datapoints wait, and leave under its name and with the time at which they came', async () => {
    const { clock, ledger, intake, lists, points, open, budget } = createEndpoints()
    const endpoint = open(pending)
    const cameMs = clock.nowMs()
    endpoint.send('a:1|c\nb:2:3|d|#k:v')
    endpoint.send('_sc|x|0')
    await clock.advance(1999)
    intake.flush()
    expect(lists).toEqual([])
    expect(ledger.snapshot()).toMatchObject({ received: 4, held: 4, forwarded: 0, dropped: {} })
    endpoint.setOwner(known('c1'))
    expect(points()).toEqual([
      'a 1 framework_id=fw executor_id=ex container_id=c1',
      'b 2 framework_id=fw executor_id=ex container_id=c1 k=v',
      'b 3 framework_id=fw executor_id=ex container_id=c1 k=v',
    ])
    expect(readDatapoints(lists[0]!.datapoints)[0]!.timeMs).toBe(cameMs)
    expect(ledger.snapshot()).toMatchObject({ received: 4, held: 0, forwarded: 3, dropped: { not_a_metric: 1 } })
    expect(budget.usedBytes).toBe(0)
  })

  test('each datapoint waits at most so long, then it leaves as unknown', async () => {
    const { clock, lists, points, open } = createEndpoints()
    const endpoint = open(pending)
    endpoint.send('first:1|c')
    await clock.advance(1500)
    endpoint.send('second:2|c')
    await clock.advance(500)
    expect(points()).toEqual(['first 1'])
    expect(lists[0]!.topic).toBe('unknown_container')
    await clock.advance(1499)
    endpoint.setOwner(known('c1'))
    expect(points()[1]).toBe('second 2 framework_id=fw executor_id=ex container_id=c1')
  })

  test('nothing waits where it is not to', () => {
    const { points, open } = createEndpoints({ unknownHoldMs: 0 })
    open(pending).send('a:1|c')
    expect(points()).toEqual(['a 1'])
  })

  test.each([
    ['in its endpoint', { holdLimitBytes: 3 * 400 }],
    ['in all endpoints together', { holdBudget: { limitBytes: 3 * 400, usedBytes: 0 } }],
  ])('the oldest leave early, as unknown, where there is no room for more %s', (_where, limits) => {
    const { ledger, points, open } = createEndpoints(limits)
    const endpoint = open(pending)
    for (let id = 0; id < 5; id++) endpoint.send(`m${id}:${id}|c`.padEnd(140))
    expect(points().map((point) => point.split(' ')[0])).toEqual(['m0', 'm1'])
    expect(ledger.snapshot()).toMatchObject({ received: 5, forwarded: 2, held: 3 })
  })

  test('what waits leaves as unknown when its endpoint ends, or the socket is shared', () => {
    const { ledger, points, open } = createEndpoints()
    const [one, two] = [open(pending), open(pending)]
    one.send('one:1|c')
    two.send('two:2|c')
    one.end()
    two.setOwner(unknown)
    expect(points()).toEqual(['one 1', 'two 2'])
    expect(ledger.snapshot().held).toBe(0)
  })

  test('what waits for one name does not leave under another one', () => {
    const { points, open } = createEndpoints()
    const endpoint = open(pending)
    endpoint.send('first:1|c')
    endpoint.setOwner({ status: 'pending', containerId: 'c2' })
    endpoint.send('second:2|c')
    endpoint.setOwner(known('c2'))
    expect(points()).toEqual(['first 1', 'second 2 framework_id=fw executor_id=ex container_id=c2'])
  })
})

describe('another owner', () => {
  test('gets what comes from now on; the chunk keeps what came before for the former one', () => {
    const { points, open } = createEndpoints()
    const endpoint = open(known('c1'))
    endpoint.send('a:1|c|#k:v')
    endpoint.setOwner(known('c2'))
    endpoint.send('a:2|c|#k:v')
    endpoint.setOwner(unknown)
    endpoint.send('a:3|c|#k:v')
    expect(points()).toEqual([
      'a 3 k=v',
      'a 1 framework_id=fw executor_id=ex container_id=c1 k=v',
      'a 2 framework_id=fw executor_id=ex container_id=c2 k=v',
    ])
  })

  test('that is the same one changes nothing: the tags stay the same array', () => {
    const { intake, lists, open } = createEndpoints()
    const endpoint = open(known('c1'))
    for (let round = 0; round < 2; round++) {
      endpoint.send('a:1|c')
      endpoint.setOwner(known('c1'))
      intake.flush()
    }
    expect(lists[1]!.tags).toBe(lists[0]!.tags)
  })
})

describe('the limit of a container', () => {
  test('lets the packet that crosses it pass whole, and refuses the next ones until the period is over', async () => {
    const { clock, ledger, counters, points, open } = createEndpoints({ limitBytes: 10, limitPeriodMs: 60_000 })
    const endpoint = open(known('c1'))
    endpoint.send('a:1|c')
    endpoint.send('b:1|c\nb:2|c')
    endpoint.send('c:1|c\nc:2:3|c\n\n_sc|x|0')
    expect(points().map((point) => point.split(' ')[0])).toEqual(['a', 'b', 'b'])
    expect(ledger.snapshot()).toMatchObject({ received: 7, forwarded: 3, dropped: { container_limit: 4 } })
    expect(counters.value('proxy.throttled_packets')).toBe(1)
    await clock.advance(60_000)
    endpoint.send('d:1|c')
    expect(points().at(-1)).toMatch(/^d 1 /)
  })

  test.each([
    ['zeros too', 1_000_000, [], [0, 0]],
    ['what was received', 1_000_000, ['a:1|c', 'b:1|c'], [20, 0]],
    ['what was throttled counts as received', 0, ['a:1|c', 'b:1|c'], [20, 20]],
    ['the packet that crosses it is not throttled', 1, ['a:1|c', 'b:1|c'], [20, 10]],
  ])('is told about each period, in bytes a second: %s', async (_rule, limitBytes, packets, [received, throttled]) => {
    const { clock, points, open } = createEndpoints({ limitBytes, limitPeriodMs: 500 })
    const endpoint = open(known('c1'))
    for (const packet of packets) endpoint.send(packet)
    await clock.advance(499)
    expect(points().some((point) => point.startsWith('dcos.'))).toBe(false)
    await clock.advance(1)
    const tags = 'framework_id=fw executor_id=ex container_id=c1'
    expect(points().slice(-2)).toEqual([
      `${receivedMetric} ${received} ${tags}`,
      `${throttledMetric} ${throttled} ${tags}`,
    ])
  })

  test('is told in full precision, and its own datapoints are in the ledger but not under the limit', async () => {
    const { clock, ledger, points, open } = createEndpoints({ limitBytes: 0, limitPeriodMs: 6000 })
    const endpoint = open(unknown)
    endpoint.send('x'.repeat(1000))
    await clock.advance(6000)
    expect(points()).toEqual([`${receivedMetric} ${1000 / 6}`, `${throttledMetric} ${1000 / 6}`])
    expect(ledger.snapshot()).toMatchObject({ received: 3, forwarded: 2, dropped: { container_limit: 1 } })
    await clock.advance(6000)
    expect(points().slice(2)).toEqual([`${receivedMetric} 0`, `${throttledMetric} 0`])
    endpoint.end()
    await clock.advance(60_000)
    expect(points()).toHaveLength(4)
  })
})

test('changes of gauges are added up for each container apart', () => {
  const { points, open } = createEndpoints({}, {}, true)
  const [one, two] = [open(known('c1')), open(known('c2'))]
  one.send('g:10|g\ng:+5|g')
  two.send('g:+1|g')
  expect(points().map((point) => point.split(' ')[1])).toEqual(['10', '15', '1'])
})

const seed = 18_125

test(`any packets, owners and times: the ledger balances at every chunk and at the end (seed ${seed})`, async () => {
  const packet = fc
    .array(fc.constantFrom('n', ':', '1', '|c', '|#k:v', '|#k:w', '\n', '|@0.1', 'x', '\r\n', '_sc|', '\u00e9'), {
      maxLength: 30,
    })
    .map((pieces) => Buffer.from(pieces.join('')))
  const owner = fc.constantFrom(pending, unknown, known('c1'), known('c2'))
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ packet }) },
    { weight: 1, arbitrary: fc.record({ owner }) },
    { weight: 1, arbitrary: fc.record({ waitMs: fc.constantFrom(1, 1000, 2500) }) },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.boolean(), async (steps, drop) => {
      const limits = { limitBytes: 400, limitPeriodMs: 4000, holdLimitBytes: 2000 }
      const { clock, ledger, intake, lists, imbalances, open } = createEndpoints(limits, {
        malformed: drop ? 'drop' : 'zero',
      })
      const endpoint = open(pending)
      for (const each of steps) {
        if ('packet' in each) endpoint.receive(each.packet)
        else if ('owner' in each) endpoint.setOwner(each.owner)
        else await clock.advance(each.waitMs)
        if (imbalance(ledger.snapshot()) !== 0) imbalances.push(ledger.snapshot())
      }
      endpoint.end()
      intake.flush()
      expect(imbalances).toEqual([])
      expect(imbalance(ledger.snapshot())).toBe(0)
      expect(countDatapoints(lists)).toBe(ledger.forwarded)
      expect(ledger.snapshot().held).toBe(0)
    }),
    { seed, numRuns: 300 },
  )
})

test(`100,000 random packets: none stops the input, and every datapoint is accounted for (seed ${seed})`, () => {
  const { ledger, intake, lists, imbalances, open } = createEndpoints({ limitBytes: 50_000_000 })
  const endpoints = [open(known('c1')), open(unknown), open(pending)]
  const random = createRandom(seed)
  let datapoints = 0
  for (let id = 0; id < 100_000; id++) {
    endpoints[id % 3]!.receive(randomPacket(random))
    datapoints += lists.reduce((sum, { datapoints: { count } }) => sum + count, 0)
    if (id % 1000 === 0) for (const list of lists) readDatapoints(list.datapoints)
    lists.length = 0
  }
  for (const endpoint of endpoints) endpoint.end()
  intake.flush()
  datapoints += countDatapoints(lists)
  const { received, forwarded, held, dropped } = ledger.snapshot()
  expect(imbalance(ledger.snapshot())).toBe(0)
  expect(imbalances).toEqual([])
  expect([datapoints, held]).toEqual([forwarded, 0])
  expect(received).toBeGreaterThan(100_000)
  expect(Object.keys(dropped).sort()).toEqual(['not_a_metric', 'too_large'])
})
