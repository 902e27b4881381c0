import type { LiveQuery } from '../../src/model/live.js'
import { Ledger } from '../../src/telemetry/ledger.js'
import { Live, type StreamFigures } from '../../src/telemetry/live.js'
import type { ContainerReading } from '../../src/telemetry/live-containers.js'
import { Readiness } from '../../src/telemetry/readiness.js'
import { createFakeClock } from '../support/fake-clock.js'

const all: LiveQuery = { search: '', sort: 'rate', limit: 100 }
const closings: (() => void)[] = []
afterEach(() => {
  for (const close of closings.splice(0)) close()
})

function setUp(hops = ['statsd-proxy']) {
  const clock = createFakeClock()
  const ledgers = hops.map((hop) => new Ledger(hop))
  const readiness = new Readiness()
  const live = new Live({ role: 'test', version: '1.2.3', clock, ledgers, readiness })
  closings.push(live.start())
  return { clock, ledgers, ledger: ledgers[0]!, live, readiness }
}

/** An endpoint as a test moves it. */
function endpoint(over: Partial<ContainerReading> = {}) {
  return {
    key: {},
    containerId: 'c1',
    frameworkId: 'fw1',
    executorId: 'ex1',
    datapoints: 0,
    bytes: 0,
    droppedDatapoints: 0,
    kernelDrops: 0,
    lastMs: 0,
    ...over,
  }
}

describe('hops', () => {
  test('rates are means that follow what happens, by reason for drops, and go to 0 when nothing comes any more', async () => {
    const { clock, ledger, live } = setUp()
    for (let second = 0; second < 20; second++) {
      ledger.received += 100
      ledger.forwarded += 90
      ledger.drop('malformed', 10)
      await clock.advance(1000)
    }
    const [hop] = live.state(all).hops
    expect(hop?.rates.received).toBeCloseTo(100, 5)
    expect(hop?.rates.forwarded).toBeCloseTo(90, 5)
    expect(hop?.rates.dropped).toEqual({ malformed: expect.closeTo(10, 5) })
    expect(hop).toMatchObject({ received: 2000, forwarded: 1800, dropped: { malformed: 200 } })
    await clock.advance(60_000)
    expect(live.state(all).hops[0]?.rates).toEqual({ received: 0, forwarded: 0, dropped: { malformed: 0 } })
  })

  test('they stand in the order of the stream, whichever began first', () => {
    const { live } = setUp(['consume', 'consume:influx', 'collector', 'statsd-proxy'])
    expect(live.state(all).hops.map(({ hop }) => hop)).toEqual([
      'statsd-proxy',
      'collector',
      'consume',
      'consume:influx',
    ])
  })

  test('the last five minutes are kept, second by second, also while nobody looks', async () => {
    const { clock, ledger, live } = setUp()
    for (let second = 1; second <= 400; second++) {
      ledger.received += second
      await clock.advance(1000)
    }
    const { stepMs, hops } = live.history()
    expect(stepMs).toBe(1000)
    expect(hops[0]?.received.length).toBe(300)
    expect(hops[0]?.received.slice(-3)).toEqual([398, 399, 400])
    expect(hops[0]?.dropped.slice(-1)).toEqual([0])
  })
})

describe('the picture', () => {
  test('arrows have rates, a part that is here counts more than one that is only known of, and what has no arrow is not shown', async () => {
    const { clock, live } = setUp()
    let sent = 0
    live.addNode({ id: 'collector', title: 'collector', detail: '10.0.0.1:8124' })
    live.addNode({ id: 'proxy', title: 'proxy', hop: 'statsd-proxy' })
    live.addNode({ id: 'nobody', title: 'nobody' })
    live.addArrow('proxy', 'collector', () => sent)
    await clock.advance(1000)
    sent = 50
    await clock.advance(1000)
    expect(live.state(all).arrows).toEqual([{ from: 'proxy', to: 'collector', rate: expect.any(Number), total: 50 }])
    expect(live.state(all).arrows[0]?.rate).toBeGreaterThan(20)
    expect(live.state(all).nodes.map(({ id }) => id)).toEqual(['collector', 'proxy'])
    live.addNode({ id: 'collector', title: 'collector', hop: 'collector', detail: '127.0.0.1:8124' })
    live.addNode({ id: 'collector', title: 'collector', detail: 'somewhere else' })
    expect(live.state(all).nodes[0]).toMatchObject({ hop: 'collector', detail: '127.0.0.1:8124' })
  })

  test('senders from outside are not shown where the proxy that sends is here', () => {
    const { live } = setUp()
    live.addNode({ id: 'collector', title: 'collector', hop: 'collector' })
    live.addNode({ id: 'senders', title: 'senders' })
    live.addArrow('senders', 'collector', () => 0, 'statsd-proxy')
    expect(live.state(all).nodes.map(({ id }) => id)).toEqual(['collector', 'senders'])
    live.addNode({ id: 'statsd-proxy', title: 'statsd-proxy', hop: 'statsd-proxy' })
    expect(live.state(all).arrows).toEqual([])
  })
})

describe('containers and frameworks', () => {
  test('figures of endpoints become rates, named as the agent names them, and frameworks their sums', async () => {
    const { clock, live } = setUp()
    const first = endpoint()
    const second = endpoint({ containerId: 'c2', kernelDrops: 3 })
    const stranger = { ...endpoint({ containerId: 'c3' }), frameworkId: '', executorId: '' }
    live.readContainersFrom(() => [{ ...first }, { ...second }, { ...stranger }])
    live.nameBy({
      framework: (id) => (id === 'fw1' ? 'marathon' : undefined),
      application: (framework, executor) => (framework === 'fw1' && executor === 'ex1' ? 'shop/web' : undefined),
    })
    closings.push(live.watch(() => {}))
    for (let seconds = 0; seconds < 20; seconds++) {
      first.datapoints += 10
      first.bytes += 500
      first.droppedDatapoints += 2
      first.lastMs = clock.nowMs()
      second.datapoints += 5
      await clock.advance(1000)
    }
    const { containers, frameworks } = live.state(all)
    expect(containers).toMatchObject({ found: 3, rows: [{ id: 'c1' }, { id: 'c2' }, { id: 'c3' }] })
    expect(containers.rows[0]).toEqual({
      id: 'c1',
      name: 'shop/web',
      framework: 'marathon',
      rate: expect.closeTo(10, 5),
      byteRate: expect.closeTo(500, 5),
      dropRate: expect.closeTo(2, 5),
      dropped: 40,
      lastMs: first.lastMs,
    })
    expect(containers.rows[1]).toMatchObject({ kernelDrops: 3 })
    expect(containers.rows[2]?.lastMs).toBeUndefined()
    expect(frameworks.rows).toEqual([
      expect.objectContaining({
        id: 'fw1',
        name: 'marathon',
        containers: 2,
        rate: expect.closeTo(15, 5),
        dropped: 40,
        kernelDrops: 3,
      }),
      expect.objectContaining({ id: '(no framework)', containers: 1, rate: 0 }),
    ])
  })

  test('only what a query asks for is told, in its order', async () => {
    const { clock, live } = setUp()
    const rows = [
      endpoint({ containerId: 'Alpha', frameworkId: 'x', datapoints: 0, lastMs: 3 }),
      endpoint({ containerId: 'beta', frameworkId: 'y', lastMs: 1 }),
      endpoint({ containerId: 'gamma', frameworkId: 'alphabet', lastMs: 2, kernelDrops: 1 }),
    ]
    live.readContainersFrom(() => rows.map((row) => ({ ...row })))
    closings.push(live.watch(() => {}))
    rows[1]!.datapoints += 10
    rows[0]!.bytes += 10
    await clock.advance(1000)
    const ids = (query: Partial<LiveQuery>) => live.state({ ...all, ...query }).containers.rows.map(({ id }) => id)
    expect(ids({ search: 'ALPHA', sort: 'name' })).toEqual(['Alpha', 'gamma'])
    expect(ids({ limit: 1 })).toEqual(['beta'])
    expect(live.state({ ...all, limit: 1 }).containers.found).toBe(3)
    expect(ids({ sort: 'bytes' })[0]).toBe('Alpha')
    expect(ids({ sort: 'drops' })[0]).toBe('gamma')
    expect(ids({ sort: 'age' })).toEqual(['beta', 'gamma', 'Alpha'])
  })

  test('endpoints are read only while somebody watches, and ten seconds longer', async () => {
    const { clock, live } = setUp()
    let reads = 0
    live.readContainersFrom(() => {
      reads++
      return []
    })
    await clock.advance(30_000)
    expect(reads).toBe(0)
    const stop = live.watch(() => {})
    await clock.advance(3000)
    expect(reads).toBe(4)
    stop()
    await clock.advance(60_000)
    expect(reads).toBeLessThanOrEqual(14)
  })
})

test('of several streams only the most important one is looked at, while somebody watches', async () => {
  const { clock, live } = setUp()
  const calls: string[] = []
  const stream = (name: string): StreamFigures => ({
    start: () => calls.push(`${name} starts`),
    stop: () => calls.push(`${name} stops`),
    tick: () => {},
    containers: () => [{ id: `container of ${name}`, frameworkId: '', rate: 1, byteRate: 1 }],
    names: () => [{ id: `metric of ${name}`, rate: 1, byteRate: 1 }],
  })
  live.addStream(stream('consume'), 0)
  const stop = live.watch(() => {})
  expect(live.state(all).names.rows.map(({ id }) => id)).toEqual(['metric of consume'])
  live.addStream(stream('collector'), 2)
  await clock.advance(1000)
  const { names, containers } = live.state(all)
  expect([names.rows[0]?.id, containers.rows[0]?.id]).toEqual(['metric of collector', 'container of collector'])
  stop()
  await clock.advance(20_000)
  expect(calls).toEqual(['consume starts', 'consume stops', 'collector starts', 'collector stops'])
  expect(live.state(all).names.rows).toEqual([])
})
