import { spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { decodeDatapoints } from '../../src/codec/datapoints.js'
import { type MetricList, tagValue } from '../../src/model/metric-list.js'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { endPrograms, type Program, startProgram } from '../support/program.js'
import { startTcpCollector, type TcpCollector } from '../support/tcp-collector.js'
import { createUdpEndpoints, type SeenSocket } from '../support/udp-endpoint.js'

let cli: BuiltCli

beforeAll(async () => {
  cli = await buildCli()
}, 120_000)
afterAll(() => cli.remove())
afterEach(endPrograms)

const emit = (...args: string[]): Program => startProgram(cli.path, ['emit', ...args])
/** What an emitter says of itself at its end. */
const doneOf = (program: Program) => program.logWhere(({ msg }) => msg === 'done')
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

/** Resolves with what it was asked for, when it is so. */
async function eventually<Value>(look: () => Value, isMeant: (value: Value) => boolean): Promise<Value> {
  while (!isMeant(look())) await new Promise((resolve) => setTimeout(resolve, 5))
  return look()
}

function numbersIn(packet: string): number[] {
  return packet.split('\n').map((line) => Number(/numbered:(\d+)\|g\|#sample_tag:sample_val$/.exec(line)?.[1]))
}

/** What the proxy's isolator API promises: an endpoint for each container. */
async function startIsolator() {
  const sockets = createUdpEndpoints()
  const open = new Map<string, SeenSocket>()
  const server = createServer(async (request, response) => {
    if (request.method === 'DELETE') {
      const id = String(request.url).replace('/container/', '')
      await open.get(id)?.close()
      open.delete(id)
      return response.writeHead(202).end()
    }
    const { container_id: id } = JSON.parse(await text(request)) as { container_id: string }
    const socket = await sockets.openSocket({ port: 0, owner: { status: 'pending', containerId: id } } as never)
    open.set(id, socket as SeenSocket)
    response.writeHead(201).end(JSON.stringify({ statsd_host: socket.host, statsd_port: socket.port }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    packets: () => sockets.sockets.flatMap(({ packets }) => packets),
    shares: () => sockets.sockets.map(({ packets }) => packets.length),
    gone: () => sockets.sockets.filter(({ closed }) => closed).length,
    close: () => new Promise((resolve) => server.close(resolve)),
  }
}

describe('emit statsd', () => {
  let server: Socket
  let packets: string[]
  let target: string[]

  beforeEach(async () => {
    packets = []
    server = createSocket({ type: 'udp4', recvBufferSize: 8 * 1024 * 1024 })
    server.on('message', (packet) => void packets.push(String(packet)))
    server.bind(0, '127.0.0.1')
    await once(server, 'listening')
    target = ['statsd', '--statsd-udp-host', '127.0.0.1', '--statsd-udp-port', String(server.address().port)]
  })
  afterEach(() => new Promise<void>((resolve) => server.close(() => resolve())))

  const numbers = () => packets.flatMap(numbersIn)

  test('sends --count numbers, --lines-per-packet of them in a packet, and says what it sent and how fast', async () => {
    const emitter = emit(...target, '--count', '1003', '--lines-per-packet', '10', '--rate', '2000')
    expect(await emitter.ended).toEqual({ code: 0, signal: null })
    expect(await eventually(numbers, ({ length }) => length >= 1003)).toEqual(upTo(1003))
    const bytes = packets.reduce((sum, packet) => sum + packet.length, 0)
    const done = await doneOf(emitter)
    expect(done).toMatchObject({ lines: 1003, packets: packets.length, bytes, failedPackets: 0 })
    expect(Math.max(...packets.map((packet) => packet.split('\n').length))).toBe(10)
    // A thousand at two thousand a second.
    expect(done.seconds).toBeGreaterThan(0.45)
    expect(done.linesPerSecond).toBeLessThan(2300)
  })

  test('--flood sends the usual lines without a pause, and --debug logs each packet', async () => {
    const emitter = emit(...target, '--flood', '--debug')
    await eventually(
      () => packets.length,
      (count) => count > 100,
    )
    expect(await emitter.stop()).toEqual({ code: 0, signal: null })
    expect(packets[0]).toBe('statsd_emitter.proc.instance_counter:1|c|#sample_tag:sample_val')
    expect(packets.filter((packet) => packet.startsWith('statsd_emitter.time.unix:')).length).toBeGreaterThan(5)
    const logged = emitter.log.filter(({ msg }) => msg === 'send').map(({ text }) => text)
    expect(logged.slice(0, 100)).toEqual(packets.slice(0, 100))
  })

  test('where nobody listens, that is said once, every packet is counted as failed, and it goes on when somebody does', async () => {
    const { port } = server.address()
    await new Promise<void>((resolve) => server.close(() => resolve()))
    const emitter = emit(...target, '--rate', '1000')
    await emitter.logWhere(({ msg, cause }) => /nobody listens/.test(String(msg)) && /ECONNREFUSED/.test(String(cause)))
    server = createSocket('udp4')
    server.on('message', (packet) => void packets.push(String(packet)))
    server.bind(port, '127.0.0.1')
    await eventually(
      () => packets.length,
      (count) => count > 100,
    )
    await emitter.stop()
    const { lines, packets: sent, failedPackets } = await doneOf(emitter)
    expect(Number(failedPackets)).toBeGreaterThan(0)
    expect(Number(sent) + Number(failedPackets)).toBe(lines)
    expect(emitter.log.filter(({ level }) => level !== 'info')).toHaveLength(1)
  })

  test('--containers are announced as the isolator module does it, each sends its share, and they are gone at the end', async () => {
    const isolator = await startIsolator()
    try {
      const load = ['--containers', '50', '--count', '5000', '--lines-per-packet', '5', '--rate', '20000']
      const emitter = emit('statsd', '--isolator-endpoint', isolator.address, ...load)
      expect((await emitter.ended).code).toBe(0)
      const all = await eventually(
        () => isolator.packets().flatMap(numbersIn),
        ({ length }) => length >= 5000,
      )
      expect(all.sort((a, b) => a - b)).toEqual(upTo(5000))
      // Packets in turn; one that was not full when it was due is one more.
      const shares = isolator.shares()
      expect(shares).toHaveLength(50)
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1)
      expect(isolator.gone()).toBe(50)
    } finally {
      await isolator.close()
    }
  })

  test('on a terminal a line tells how far it is, and what was sent comes last', async () => {
    const words = [process.execPath, cli.path, 'emit', ...target, '--rate', '1000', '--count', '2500']
    const script = spawn('script', ['-qfec', words.join(' '), '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] })
    let screen = ''
    script.stdout.setEncoding('utf8').on('data', (text) => {
      screen += text
    })
    expect(await once(script, 'close')).toEqual([0, null])
    expect(screen).toMatch(/\r\d+ of 2500 \(\d+ %\) lines, \d+\/s/)
    expect(screen.trimEnd().split('\n').at(-1)).toMatch(/done.*"lines":2500/)
  }, 20_000)
})

describe('emit avro', () => {
  let collector: TcpCollector | undefined
  afterEach(async () => {
    await collector?.stop()
    collector = undefined
  })

  const lists = () => collector?.connections.flatMap((connection) => connection.lists) ?? []
  const values = () =>
    lists()
      .flatMap(pointsOf)
      .map(({ value }) => value)

  test('many connections speak for many nodes, and every number comes once', async () => {
    collector = await startTcpCollector()
    const endpoint = ['--endpoint', `127.0.0.1:${collector.port}`]
    const emitter = emit(
      'avro',
      ...endpoint,
      '--connections',
      '30',
      '--agents',
      '60',
      '--count',
      '30000',
      '--topic',
      't',
    )
    expect(await emitter.ended).toEqual({ code: 0, signal: null })
    expect((await eventually(values, ({ length }) => length >= 30_000)).sort((a, b) => a - b)).toEqual(upTo(30_000))
    expect(collector.connections).toHaveLength(30)
    expect(new Set(lists().map(({ topic }) => topic))).toEqual(new Set(['t']))
    const nodes = collector.connections.map((seen) => new Set(seen.lists.map(({ tags }) => tagValue(tags, 'hostname'))))
    expect(nodes.reduce((sum, { size }) => sum + size, 0)).toBe(60)
    expect(await doneOf(emitter)).toMatchObject({ connections: 30, datapointsPerSecond: expect.any(Number) })
    expect(emitter.stderr.filter((line) => !line.startsWith('{'))).toEqual([])
  })

  test('a thousand nodes on as many connections, through one collector onto the embedded bus: each number counted once', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'dcos-stats-emit-'))
    try {
      const bus = [
        '--bus',
        'embedded',
        '--bus-dir',
        dir,
        '--kafka-produce-period-ms',
        '200',
        '--admin-listen',
        '127.0.0.1:0',
      ]
      const daemon = startProgram(cli.path, [
        'collector',
        '--agent-polling=false',
        '--listen-endpoint',
        '127.0.0.1:0',
        ...bus,
      ])
      const { address } = await daemon.logWhere(({ msg }) => msg === 'taking in Avro streams')
      const { address: admin } = await daemon.logWhere(({ msg }) => String(msg).startsWith('serving / '))
      const load = ['--connections', '1000', '--agents', '1000', '--count', '200000', '--block-size', '100']
      const emitter = emit('avro', '--endpoint', String(address), ...load)
      expect((await emitter.ended).code).toBe(0)
      expect(await emitter.logWhere(({ hop }) => hop === 'emit')).toMatchObject({
        forwarded: 200_000,
        dropped: {},
        held: 0,
      })
      // The emitter's last blocks may still be in the kernel's hands.
      const received = async () => (await fetch(`${admin}/ledger`)).text()
      while (!(await received()).includes('"received":200000')) await new Promise((resolve) => setTimeout(resolve, 50))
      expect(await daemon.stop()).toEqual({ code: 0, signal: null })
      const account = { received: 200_000, forwarded: 200_000, dropped: {}, held: 0 }
      expect(await daemon.logWhere(({ hop }) => hop === 'collector')).toMatchObject(account)
      expect(emitter.stderr.filter((line) => !line.startsWith('{'))).toEqual([])
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  }, 60_000)

  test('a collector that is away is told of once, by all connections together, and gets everything when it is there', async () => {
    collector = await startTcpCollector()
    const { port } = collector
    await collector.stop()
    const load = ['--connections', '30', '--rate', '3000', '--count', '6000']
    const emitter = emit('avro', '--endpoint', `127.0.0.1:${port}`, ...load)
    await emitter.logWhere(({ cause }) => /ECONNREFUSED.*Check --endpoint/.test(String(cause)))
    // Some tries of each.
    await new Promise((resolve) => setTimeout(resolve, 2500))
    expect(emitter.log.filter(({ level }) => level === 'warn')).toHaveLength(1)
    collector = await startTcpCollector({ port })
    expect((await emitter.ended).code).toBe(0)
    expect((await eventually(values, ({ length }) => length >= 6000)).sort((a, b) => a - b)).toEqual(upTo(6000))
    expect(emitter.log.filter(({ msg }) => msg === 'connected to the collector')).toHaveLength(1)
    expect(await emitter.logWhere(({ hop }) => hop === 'emit')).toMatchObject({
      received: 6000,
      forwarded: 6000,
      held: 0,
    })
  }, 60_000)

  test('--block-size, --block-tick-ms, --period and --record-output-log', async () => {
    collector = await startTcpCollector()
    const timing = ['--period', '0.05', '--block-size', '4', '--block-tick-ms', '0', '--record-output-log']
    const emitter = emit('avro', '--endpoint', `127.0.0.1:${collector.port}`, ...timing)
    await collector.received(8)
    // Without a tick only whole blocks leave.
    expect(lists().length % 4).toBe(0)
    await emitter.stop()
    expect(emitter.log.filter((line) => JSON.stringify(line).includes('time.uptime_ms')).length).toBeGreaterThanOrEqual(
      8,
    )
    expect(new Set(lists().map((list) => pointsOf(list).length))).toEqual(new Set([11]))
  })

  test('--step-ms: times lie that far apart, and the last one is now', async () => {
    collector = await startTcpCollector()
    const emitter = emit('avro', '--endpoint', `127.0.0.1:${collector.port}`, '--count', '100', '--step-ms', '60000')
    expect((await emitter.ended).code).toBe(0)
    await eventually(values, ({ length }) => length >= 100)
    const times = lists()
      .flatMap(pointsOf)
      .sort((a, b) => a.value - b.value)
      .map(({ timeMs }) => timeMs)
    const last = times.at(-1) ?? 0
    expect(times).toEqual(upTo(100).map((number) => last - (100 - number) * 60_000))
    expect(Math.abs(Date.now() - last)).toBeLessThan(60_000)
  })
})

function pointsOf(list: MetricList) {
  return decodeDatapoints(list.datapoints).map(({ value, timeMs }) => ({ value, timeMs }))
}
