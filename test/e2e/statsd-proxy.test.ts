import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type SimulatedAgent, startSimulatedAgent } from '../../src/agent/simulated-agent.js'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { expectBalanced, ledgersAtExit } from '../support/ledgers.js'
import { endPrograms } from '../support/program.js'
import { announce, askIsolator, type ProxyProcess, startProxy } from '../support/proxy.js'
import { announceMany, seenAtLeast } from '../support/restarts.js'
import { openDescriptors, residentMbytes, soak } from '../support/soak.js'
import { type CountingCollector, startCountingCollector, startLoad } from '../support/statsd-load.js'
import { summary } from '../support/statsd-reading.js'
import { createSender } from '../support/statsd-source.js'
import { startTcpCollector, type TcpCollector } from '../support/tcp-collector.js'

let cli: BuiltCli
let dir: string
let counting: CountingCollector
let collector: TcpCollector
let sender: ReturnType<typeof createSender>

beforeAll(async () => {
  cli = await buildCli()
}, 120_000)
afterAll(() => cli.remove())

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dcos-stats-proxy-'))
  counting = await startCountingCollector()
  collector = await startTcpCollector()
  sender = createSender()
})
afterEach(async () => {
  await endPrograms()
  await Promise.all([counting.stop(), collector.stop(), sender.close()])
  await rm(dir, { recursive: true, force: true })
})

function start(collectorPort: number, ...more: string[]): ProxyProcess {
  return startProxy(cli.path, { stateDir: join(dir, 'state'), collectorPort, more })
}

const received = () => collector.connections.flatMap(({ lists }) => summary(lists))
const topics = () => collector.connections.flatMap(({ lists }) => lists.map(({ topic }) => topic))

describe('killed and started again', () => {
  let agent: SimulatedAgent
  beforeEach(async () => {
    agent = await startSimulatedAgent()
  })
  afterEach(() => agent.close())

  test('the very same ports, without any new POST, and the same names', async () => {
    const [outer, nested] = [
      agent.containers().find((each) => !each.nested)!,
      agent.containers().find((each) => each.nested)!,
    ]
    const flags = ['--agent-polling', '--agent-url', agent.url, '--agent-poll-period', '0.2']
    const first = start(collector.port, ...flags)
    const endpoints = [await first.announce(outer.containerId), await first.announce(nested.containerId)]
    await first.stop('SIGKILL')

    const second = start(collector.port, ...flags)
    await second.logWhere(({ msg }) => msg === 'endpoints of an earlier run are back')
    for (const { port } of endpoints) await sender.send(port, 'after:1|c')
    await collector.received(2)
    const tags = (of: typeof outer) =>
      `after 1 framework_id=${of.frameworkId} executor_id=${of.executorId} container_id=${of.containerId}`
    expect(received().sort()).toEqual([tags(outer), tags(nested)].sort())
    expect(await second.announce(nested.containerId)).toEqual(endpoints[1])
    await second.stop()
    expectBalanced(ledgersAtExit(second.log), ['statsd-proxy'])
  })

  test('damaged and foreign state files are set aside, one of a container that has ended is removed', async () => {
    const flags = ['--agent-polling', '--agent-url', agent.url, '--agent-poll-period', '0.2']
    const first = start(collector.port, ...flags)
    const alive = agent.containers()[0]!.containerId
    const { port } = await first.announce(alive)
    await first.announce('ended-meanwhile')
    await first.stop('SIGKILL')
    const folder = join(dir, 'state', 'containers')
    await writeFile(join(folder, 'damaged'), '{"container_id": "dama')
    await writeFile(join(folder, 'foreign'), 'hello')

    const second = start(collector.port, ...flags)
    await second.logWhere(({ containerId, why }) => containerId === 'ended-meanwhile' && why !== undefined)
    expect(await readdir(folder)).toEqual([alive])
    expect(await readdir(join(dir, 'state', 'set-aside'))).toHaveLength(2)
    expect(await second.announce(alive)).toMatchObject({ port })
    expect(second.stderr.filter((line) => line.includes('was set aside'))).toHaveLength(2)
  })
})

test('10,000 isolator requests: memory stays flat, no connection stays', async () => {
  const proxy = start(
    collector.port,
    '--log-level',
    'warn',
    '--admin-listen',
    '127.0.0.1:0',
    '--isolator-listen',
    `unix:${join(dir, 'i.sock')}`,
  )
  const isolator = `unix:${join(dir, 'i.sock')}`
  await untilServed(isolator)
  const rounds = async (requests: number) => {
    const clients = [0, 1, 2, 3].map(async (client) => {
      for (let number = 0; number < requests / 4 / 5; number++) {
        const id = `c${client}-${number % 5}`
        for (let again = 0; again < 4; again++) await announce(isolator, id)
        await askIsolator(isolator, `DELETE /container/${id} HTTP/1.1\r\nContent-Length: 0\r\nHost: \r\n\r\n`)
      }
    })
    await Promise.all(clients)
  }
  await rounds(2000)
  const before = { memory: residentMbytes(proxy.pid), descriptors: openDescriptors(proxy.pid) }
  await rounds(10_000)
  const after = { memory: residentMbytes(proxy.pid), descriptors: openDescriptors(proxy.pid) }
  process.stdout.write(`10,000 isolator requests: ${JSON.stringify({ before, after })}\n`)
  expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + 2)
  // A connection that stayed would take 10 KB and more of each request; the collector of garbage comes when it likes.
  expect(after.memory).toBeLessThan(before.memory + 40)
}, 60_000)

async function untilServed(isolator: string): Promise<void> {
  for (;;) {
    const answer = await askIsolator(isolator, 'GET / HTTP/1.1\r\nHost: \r\n\r\n').catch(() => '')
    if (answer !== '') return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

test('five seconds under load: nothing is lost, memory stays flat', async () => {
  const proxy = start(counting.port)
  const ports = await announceMany(proxy, 20)
  await soak(proxy.pid, counting, { ports, ratePerSecond: 10_000, seconds: 2 })
  const result = await soak(proxy.pid, counting, { ports, ratePerSecond: 10_000, seconds: 5 })
  process.stdout.write(`five seconds under load: ${JSON.stringify(result)}\n`)
  expect(result).toMatchObject({ missing: 0, repeated: 0, sentDatapoints: 50_000 })
  expect(result.lastMbytes).toBeLessThan(result.firstMbytes + 25)
  await proxy.stop()
  expectBalanced(ledgersAtExit(proxy.log), ['statsd-proxy'])
})

test('one container floods: every datapoint of another one arrives, and the flood is throttled and counted', async () => {
  const proxy = start(counting.port, '--container-limit-amount-kbytes', '64')
  const quiet = await proxy.announce('quiet')
  const loud = await proxy.announce('loud')
  const flood = startLoad({ ports: [loud.port], ratePerSecond: 200_000, linesPerPacket: 10, firstName: 1 })
  const { sent } = await startLoad({ ports: [quiet.port], ratePerSecond: 500, count: 1500 }).done
  const { sent: flooded } = await flood.stop()
  await proxy.stop()
  const { 'statsd-proxy': ledger } = ledgersAtExit(proxy.log)
  expectBalanced(ledgersAtExit(proxy.log), ['statsd-proxy'])
  expect(ledger?.dropped.container_limit).toBeGreaterThan(0)
  expect(ledger?.forwarded).toBeGreaterThanOrEqual(sent[0]!)
  expect(flooded[0]!).toBeGreaterThan(10_000)
  expect(counting.tally(sent).missing).toBe(0)
})

describe('port modes', () => {
  test('single: one container is known, two share the port and are nobody', async () => {
    const port = await freeUdpPort()
    const agent = await startSimulatedAgent()
    const [one, two] = agent.containers()
    const flags = [
      '--agent-polling',
      '--agent-url',
      agent.url,
      '--listen-port-mode',
      'single',
      '--listen-port',
      String(port),
    ]
    const proxy = start(collector.port, ...flags)
    expect(await proxy.announce(one!.containerId)).toEqual({ host: '127.0.0.1', port })
    await sender.send(port, 'alone:1|c')
    await collector.received(1)
    expect(await proxy.announce(two!.containerId)).toEqual({ host: '127.0.0.1', port })
    await sender.send(port, 'together:1|c')
    await collector.received(2)
    expect(topics()).toEqual([one!.frameworkId, 'unknown_container'])
    expect(received()[1]).toBe('together 1')
    await agent.close()
  })

  test('range: the lowest free port, then 204 and no endpoint, and a freed port again', async () => {
    const startPort = await freeUdpPort(3)
    const range = ['--listen-port-start', String(startPort), '--listen-port-end', String(startPort + 2)]
    const proxy = start(collector.port, '--listen-port-mode', 'range', ...range)
    // Somebody else's port is passed over.
    const other = createSocket('udp4').bind({ port: startPort + 1, address: '127.0.0.1', exclusive: true })
    await once(other, 'listening')
    expect((await proxy.announce('a')).port).toBe(startPort)
    expect((await proxy.announce('b')).port).toBe(startPort + 2)
    const isolator = await proxy.isolator()
    const body = '{"container_id":"c"}'
    const post = `POST /container HTTP/1.1\r\nContent-Length: ${body.length}\r\nHost: \r\n\r\n${body}`
    expect(await askIsolator(isolator, post)).toMatch(/^HTTP\/1\.1 204 /)
    expect(proxy.stderr.join('\n')).toContain(`Port range ${startPort}-${startPort + 2} has been depleted`)
    await askIsolator(isolator, 'DELETE /container/a HTTP/1.1\r\nContent-Length: 0\r\nHost: \r\n\r\n')
    expect((await proxy.announce('c')).port).toBe(startPort)
    await new Promise<void>((resolve) => other.close(() => resolve()))
  })
})

/** The first of so many UDP ports in a row that nobody had a moment ago. */
async function freeUdpPort(inARow = 1): Promise<number> {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 20_000)
    const all = Array.from({ length: inARow }, (_, index) => createSocket('udp4').bind(first + index, '127.0.0.1'))
    const bound = await Promise.all(
      all.map((socket) => Promise.race([once(socket, 'listening'), once(socket, 'error')])),
    )
    for (const socket of all) socket.close()
    if (bound.every(([error]) => error === undefined)) return first
  }
}

const hasIpv6 = networkInterfaces().lo?.some(({ address }) => address === '::1') ?? false
const ipv6Test = hasIpv6 ? test : test.skip

ipv6Test('--listen-interface lo: the same port on IPv4 and IPv6', async () => {
  const proxy = startProxy(cli.path, {
    stateDir: join(dir, 'state'),
    collectorPort: collector.port,
    listen: ['--listen-interface', 'lo'],
  })
  const { host, port } = await proxy.announce('c0')
  expect(host).toBe('127.0.0.1')
  const sender6 = createSender('udp6')
  await sender.send(port, 'four:4|c')
  await sender6.send(port, 'six:6|c')
  while (received().length < 2) await new Promise((resolve) => setTimeout(resolve, 20))
  expect(received().sort()).toEqual(['four 4', 'six 6'])
  await sender6.close()
})

describe('output as StatsD', () => {
  test.each<[mode: string, unknown: string, known: (fw: string, ex: string, id: string) => string]>([
    ['none', 'hits:1|c|#a:b', () => 'hits:1|c|#a:b'],
    [
      'key_prefix',
      'unknown_container.hits:1|c|#a:b',
      (fw, ex, id) => `${[fw, ex, id].map((part) => part.replaceAll('.', '_')).join('.')}.hits:1|c|#a:b`,
    ],
    [
      'tag_datadog',
      'hits:1|c|#a:b,unknown_container',
      (fw, ex, id) => `hits:1|c|#a:b,framework_id:${fw},executor_id:${ex},container_id:${id}`,
    ],
  ])('%s', async (mode, unknown, known) => {
    const agent = await startSimulatedAgent()
    const server = createSocket('udp4').bind(0, '127.0.0.1')
    await once(server, 'listening')
    const output = ['--output-collector-enabled=false', '--output-statsd-enabled', '--output-statsd-host', '127.0.0.1']
    const proxy = start(
      collector.port,
      ...['--agent-polling', '--agent-url', agent.url, '--unknown-hold-ms', '300', ...output],
      ...['--output-statsd-port', String(server.address().port), '--output-statsd-annotation-mode', mode],
    )
    const { frameworkId, executorId, containerId } = agent.containers()[0]!
    for (const [id, row] of [
      [containerId, known(frameworkId, executorId, containerId)],
      ['nobody-knows-it', unknown],
    ] as const) {
      const { port } = await proxy.announce(id)
      const packet = once(server, 'message')
      await sender.send(port, 'hits:1|c|#a:b')
      expect(String((await packet)[0])).toBe(row)
    }
    expect(await proxy.stop()).toEqual({ code: 0, signal: null })
    expectBalanced(ledgersAtExit(proxy.log), ['statsd-proxy'])
    await new Promise<void>((resolve) => server.close(() => resolve()))
    await agent.close()
  })
})

test('the collector goes and comes back: the newest that fits is kept, the rest is counted', async () => {
  const { port } = counting
  const proxy = start(port, '--output-collector-buffer-kbytes', '64')
  const endpoint = await proxy.announce('c0')
  await sender.send(endpoint.port, 'load.0:0|g')
  await seenAtLeast(counting, 1)
  await counting.stop()
  const total = 6001
  await sender.send(endpoint.port, 'load.0:1|g')
  await proxy.logWhere(({ msg }) => msg === 'waiting for collector')
  for (let number = 2; number < total; number++) await sender.send(endpoint.port, `load.0:${number}|g`)

  const before = counting
  counting = await startCountingCollector(port)
  await proxy.logWhere(({ msg }) => msg === 'collector takes data again')
  await sender.send(endpoint.port, `load.0:${total}|g`)
  await counting.settled(total, 1500)
  await proxy.stop()
  const { 'statsd-proxy': ledger } = ledgersAtExit(proxy.log)
  expectBalanced(ledgersAtExit(proxy.log), ['statsd-proxy'])
  expect(ledger).toMatchObject({ received: total + 1, held: 0 })
  const away = ledger?.dropped.collector_away ?? 0
  expect(away).toBeGreaterThan(0)
  // In the moment before the collector was found to be away, the queue was only full.
  const full = ledger?.dropped.queue_full ?? 0
  expect(before.seen() + counting.seen() + away + full).toBe(total + 1)
  // What was kept is the newest.
  expect(counting.tally([total + 1]).missing).toBe(total + 1 - counting.seen())
  expect(counting.seen()).toBeGreaterThan(500)
})
