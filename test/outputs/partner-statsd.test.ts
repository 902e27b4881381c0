import { createPartnerStatsd, type PartnerStatsdOptions } from '../../src/outputs/partner-statsd.js'
import { Counters } from '../../src/telemetry/counters.js'
import { silentLog } from '../../src/telemetry/log.js'
import { createFakeClock } from '../support/fake-clock.js'
import { listWith, until } from '../support/partner.js'
import { readPackets, summary } from '../support/statsd-reading.js'
import { createUdpEndpoints, type SeenSocket } from '../support/udp-endpoint.js'

const signal = new AbortController().signal
const closers: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function datadogAgent(): Promise<SeenSocket> {
  const { openSocket, sockets } = createUdpEndpoints()
  await openSocket({ port: 0, owner: { status: 'unknown' } })
  closers.push(() => sockets[0]!.close())
  return sockets[0]!
}

async function start(options: Partial<PartnerStatsdOptions> & { port: number }) {
  const counters = new Counters()
  const clock = createFakeClock()
  const tap = createPartnerStatsd({ host: '127.0.0.1', log: silentLog, counters, clock, ...options })
  await tap.open(signal)
  closers.push(() => tap.close())
  const counted = () =>
    Object.fromEntries(
      [...counters.read()].map(({ id, label, value }) => [
        [id.replace('collector.partner.statsd_', ''), label].filter(Boolean).join(' '),
        value,
      ]),
    )
  return { tap, clock, counted }
}

test('every datapoint arrives as a gauge with its tags, read by our own StatsD reader', async () => {
  const agent = await datadogAgent()
  const { tap, clock, counted } = await start({ port: agent.port })
  tap.push([
    listWith({ framework_id: 'f-1', agent_id: 'a' }, [
      ['cpu', 0.25],
      ['mem', -1e9],
    ]),
    listWith({}, [['plain', 3]]),
    listWith({ 'k|': 'a,b' }, [['odd name:x|c', 1]]),
  ])
  await clock.advance(1000)
  await until(() => agent.packets.length === 1)
  const { lists } = readPackets(agent.packets)
  expect(summary(lists).sort()).toEqual([
    'cpu 0.25 framework_id=f-1 agent_id=a',
    'mem -1000000000 framework_id=f-1 agent_id=a',
    'odd_name_x_c 1 k_=a_b',
    'plain 3',
  ])
  expect(agent.packets[0]!.split('\n')[0]).toBe('cpu:0.25|g|#framework_id:f-1,agent_id:a')
  expect(counted()).toMatchObject({ packets: 1, bytes: agent.packets[0]!.length, datapoints: 4 })
})

test('a thousand lines share datagrams of at most 1,432 bytes, and all arrive', async () => {
  const agent = await datadogAgent()
  const { tap, clock, counted } = await start({ port: agent.port })
  const points = Array.from({ length: 1000 }, (_, n) => [`metric.${n}`, n] as const)
  tap.push([listWith({ agent_id: 'a' }, points)])
  await clock.advance(1000)
  await until(() => agent.packets.join('\n').split('\n').length === 1000)
  const sizes = agent.packets.map((packet) => Buffer.byteLength(packet))
  expect(Math.max(...sizes)).toBeLessThanOrEqual(1432)
  // None but the last has room for one more.
  expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThan(1432 - 40)
  expect(readDatapointNames(agent.packets)).toEqual(points.map(([name]) => name))
  expect(counted()).toMatchObject({ packets: sizes.length, datapoints: 1000, datapoints_failed: 0 })
})

test.each([
  ['a line that fills a datagram is sent', 100, 1],
  ['a line one byte longer is left out and counted', 101, 0],
])('%s', async (_rule, lineBytes, sent) => {
  const agent = await datadogAgent()
  const { tap, clock, counted } = await start({ port: agent.port, datagramBytes: 100 })
  tap.push([
    listWith({}, [
      ['x'.repeat(lineBytes - ':1|g'.length), 1],
      ['y', 2],
    ]),
  ])
  await clock.advance(1000)
  await until(() => agent.packets.length === sent + 1)
  expect(agent.packets.at(-1)).toBe('y:2|g')
  expect(counted()).toMatchObject({ datapoints: sent + 1, 'left_out too_long': 1 - sent })
})

test('NaN, infinities and what cannot be read are left out and counted, the others are sent', async () => {
  const agent = await datadogAgent()
  const { tap, clock, counted } = await start({ port: agent.port })
  const broken = listWith({}, [['whole', 4]])
  tap.push([
    listWith({}, [
      ['a', Number.NaN],
      ['b', Number.POSITIVE_INFINITY],
      ['c', Number.NEGATIVE_INFINITY],
      ['d', 1],
    ]),
    { ...broken, datapoints: { ...broken.datapoints, count: 3 } },
  ])
  await clock.advance(1000)
  await until(() => agent.packets.length === 1)
  expect(agent.packets).toEqual(['d:1|g\nwhole:4|g'])
  expect(counted()).toMatchObject({ datapoints: 2, 'left_out not_finite': 3, 'left_out undecodable': 2 })
})

test('while the host does not resolve, datapoints are counted as failed and nobody waits', async () => {
  const resolve = () => Promise.reject(new Error('getaddrinfo ENOTFOUND agent.invalid'))
  const { tap, clock, counted } = await start({ host: 'agent.invalid', port: 8125, resolve })
  tap.push([
    listWith({}, [
      ['a', 1],
      ['b', 2],
    ]),
  ])
  await clock.advance(1000)
  expect(counted()).toMatchObject({ packets: 0, datapoints: 0, datapoints_failed: 2 })
})

test('what waits is sent at the end', async () => {
  const agent = await datadogAgent()
  const { tap, counted } = await start({ port: agent.port })
  tap.push([listWith({}, [['last', 1]])])
  expect(agent.packets).toEqual([])
  await tap.close()
  await until(() => agent.packets.length === 1)
  expect(agent.packets).toEqual(['last:1|g'])
  expect(counted()).toMatchObject({ datapoints: 1 })
})

function readDatapointNames(packets: readonly string[]): string[] {
  return packets.flatMap((packet) => packet.split('\n').map((line) => line.slice(0, line.indexOf(':'))))
}
