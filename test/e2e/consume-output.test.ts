import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { jest } from '@jest/globals'
import type { Bus } from '../../src/bus/bus.js'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { startCarbonDouble, unusedPort } from '../support/carbon-double.js'
import { startInfluxDouble } from '../support/influx-double.js'
import { expectEachOf, numbersOf, publishNumbers } from '../support/numbers.js'
import { endPrograms, type JsonLine, type Program, startProgram } from '../support/program.js'
import { makeTempBus, type TempBus } from '../support/temp-bus.js'

let cli: BuiltCli
let temp: TempBus
let bus: Bus
const children: ChildProcess[] = []

jest.setTimeout(60_000)

beforeAll(async () => {
  cli = await buildCli()
}, 60_000)
afterAll(() => cli.remove())

beforeEach(async () => {
  temp = await makeTempBus()
  bus = await temp.open()
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await endPrograms()
  await temp.remove()
})

const readingFlags = () => ['--bus', 'embedded', '--bus-dir', temp.dir, '--from', 'earliest', '--group-id', 'g']

function consume(...more: string[]): Program {
  // A sink that is away is tried again until the end, which these tests need not wait for.
  return startProgram(cli.path, ['consume', ...readingFlags(), '--shutdown-timeout-ms', '500', ...more])
}

/** Whoever reads next in the group finds all numbers: nothing was committed that no sink has taken. */
async function expectNothingCommitted(count: number): Promise<void> {
  const next = consume()
  await next.dataUntil((data) => data.length >= count)
  await next.stop()
  expectEachOf(count, numbersOf(next.data))
}

describe('standard output', () => {
  test('| head ends it without a word of complaint', async () => {
    await publishNumbers(bus, 'metrics-a', { to: 50_000 })
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's, not JavaScript's
    const script = '"$@" | head -n 3; echo "exit ${PIPESTATUS[0]}"'
    const args = ['-c', script, 'bash', process.execPath, cli.path, 'consume', ...readingFlags()]
    const shell = spawn('bash', [...args, '--log-level', 'warn'], { stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(shell)
    const [out, talk] = await Promise.all([textOf(shell.stdout), textOf(shell.stderr)])
    const lines = out.trim().split('\n')
    expect(lines.slice(0, 3).map((line) => JSON.parse(line).value)).toEqual([1, 2, 3])
    expect(lines.slice(3)).toEqual(['exit 0'])
    expect(talk.replace(/^.*ledger at exit.*\n/gm, '')).toBe('')
  })

  test.each([
    ['on a terminal in colour', {}, true],
    ['on a terminal without, where NO_COLOR says so', { NO_COLOR: '1' }, false],
  ])('pretty is aligned, %s', async (_where, variables, isColoured) => {
    await publishNumbers(bus, 'metrics-a', { to: 3 })
    const command = [
      process.execPath,
      cli.path,
      'consume',
      ...readingFlags(),
      '--format',
      'pretty',
      '--log-level',
      'error',
    ]
    // A terminal of its own, by the tool that every Linux has.
    const env = { PATH: process.env.PATH, TERM: 'xterm', ...variables }
    const script = spawn('script', ['-qfec', command.join(' '), '/dev/null'], {
      env,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    children.push(script)
    const rows: string[] = []
    for await (const line of createInterface({ input: script.stdout })) {
      if (line.includes('numbered')) rows.push(line)
      if (rows.length === 3) break
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin so
    const plain = rows.map((row) => row.replace(/\x1b\[\d*m/g, '').trimEnd())
    expect(rows.some((row) => row.includes('\x1b['))).toBe(isColoured)
    expect(new Set(plain.map((row) => row.length)).size).toBe(1)
  })

  test('a pipe that nobody reads slows the consumer: memory does not grow, it still answers, and nothing is missing', async () => {
    const count = 500_000
    await publishNumbers(bus, 'metrics-a', { to: count, perMessage: 200 })
    const flags = [...readingFlags(), '--stats-print-period-ms', '100', '--format', 'graphite']
    const consumer = spawn(process.execPath, [cli.path, 'consume', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(consumer)
    const read = await totalOnceItStands(consumer)
    // A batch of the embedded bus is 500 messages; of these, half a MiB is being written, and as much waits.
    expect(read).toBe(40_800)
    const stalledKbytes = await residentKbytes(consumer)
    const values = new Set<number>()
    for await (const line of createInterface({ input: consumer.stdout })) {
      values.add(Number(line.split(' ')[1]))
      if (values.size === count) break
    }
    expectEachOf(count, values)
    expect(Math.max(stalledKbytes, await residentKbytes(consumer))).toBeLessThan(300 * 1024)
  }, 60_000)
})

describe('a server that is no good: it is told, nothing is lost, and a signal ends it in time', () => {
  const servers: Server[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })

  /** @returns the port of a server that does this with each connection */
  async function serverThat(doesWith: (socket: Socket) => void): Promise<number> {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      doesWith(socket)
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as { port: number }).port
  }

  const hangs = () => {}
  const talksSsh = (socket: Socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n')
  const closesInTheMiddle = (socket: Socket) => socket.once('data', () => socket.destroy())

  test.each<[string, ((socket: Socket) => void) | undefined, RegExp]>([
    ['is absent', undefined, /ECONNREFUSED/],
    ['answers garbage', talksSsh, /Parse Error/],
    ['closes in the middle', closesInTheMiddle, /hang up|closed/i],
  ])('an InfluxDB that %s', async (_what, doesWith, cause) => {
    const port = doesWith ? await serverThat(doesWith) : await unusedPort()
    await publishNumbers(bus, 'metrics-a', { to: 300 })
    const consumer = consume('--sink', 'influx', '--output-host', `http://127.0.0.1:${port}`, '--output-database', 'd')
    await consumer.logWhere((line) => line.msg === 'waiting for influx' && cause.test(String(line.cause)))
    expect(await consumer.stop()).toEqual({ code: 0, signal: null })
    await expectNothingCommitted(300)
  })

  test('an InfluxDB that hangs', async () => {
    const port = await serverThat(hangs)
    await publishNumbers(bus, 'metrics-a', { to: 300 })
    const where = ['--output-host', '127.0.0.1', '--output-port', String(port), '--output-database', 'd']
    const consumer = consume('--sink', 'influx', ...where)
    // The question for the database has no answer; it has told about nothing yet, and must end all the same.
    await consumer.logWhere(({ msg }) => msg === 'starting')
    await new Promise((resolve) => setTimeout(resolve, 2000))
    const startMs = performance.now()
    expect(await consumer.stop()).toEqual({ code: 0, signal: null })
    expect(performance.now() - startMs).toBeLessThan(5000)
    await expectNothingCommitted(300)
  })

  test.each([
    [
      401,
      '{"error":"authorization failed"}',
      /401.*authorization failed.*Check --output-username and --output-password/,
    ],
    [
      404,
      '{"error":"database not found: \\"d\\""}',
      /database not found.*--influx-host, --output-port, --output-database/,
    ],
  ])('an InfluxDB that answers %i ends it with 69 and what to check', async (status, body, told) => {
    const influx = await startInfluxDouble(({ path }) => ({ status: path === '/query' ? 200 : status, body }))
    await publishNumbers(bus, 'metrics-a', { to: 300 })
    const consumer = consume('--sink', 'influx', '--influx-host', influx.url, '--output-database', 'd')
    expect(await consumer.ended).toEqual({ code: 69, signal: null })
    expect(consumer.stderr.at(-1)).toMatch(told)
    await influx.stop()
    await expectNothingCommitted(300)
  })

  test('a Graphite that is absent ends it with 69, as EXIT_ON_CONNECT_FAILURE says', async () => {
    const port = await unusedPort()
    await publishNumbers(bus, 'metrics-a', { to: 300 })
    const consumer = consume('--sink', 'graphite', '--output-host', '127.0.0.1', '--output-port', String(port))
    expect(await consumer.ended).toEqual({ code: 69, signal: null })
    expect(consumer.stderr.at(-1)).toMatch(/ECONNREFUSED.*Check --output-host, --output-port and --graphite-protocol/)
    await expectNothingCommitted(300)
  })

  test('a Graphite that closes in the middle, three times: every number arrives', async () => {
    const breaksAt = new Set([0, 2, 4])
    const carbon = await startCarbonDouble({
      onConnection: (socket, index) => void (breaksAt.has(index) && socket.once('data', () => socket.destroy())),
    })
    const consumer = consume('--sink', 'graphite', '--output-host', '127.0.0.1', '--output-port', String(carbon.port))
    const valuesOf = (text: string) => new Set([...text.matchAll(/numbered (\d+) /g)].map(([, value]) => Number(value)))
    for (const round of [1, 2, 3]) {
      await publishNumbers(bus, 'metrics-a', { from: (round - 1) * 5000 + 1, to: round * 5000 })
      expectEachOf(round * 5000, valuesOf(await carbon.until((text) => valuesOf(text).size === round * 5000)))
      for (const socket of carbon.sockets) socket.destroy()
    }
    expect(carbon.sockets.length).toBeGreaterThanOrEqual(6)
    expect(await consumer.stop()).toEqual({ code: 0, signal: null })
    await carbon.stop()
  })

  test.each<[string, ((socket: Socket) => void) | undefined, RegExp]>([
    ['is absent', undefined, /nothing listens there/],
    ['hangs', hangs, /did not answer|no answer/],
    ['answers garbage', talksSsh, /--kafka/],
    ['closes in the middle', closesInTheMiddle, /--kafka|hung up|closed/],
  ])('a Kafka that %s', async (_what, doesWith, told) => {
    const port = doesWith ? await serverThat(doesWith) : await unusedPort()
    const flags = ['--kafka-brokers', `127.0.0.1:${port}`, '--kafka-request-timeout-ms', '1000']
    const consumer = startProgram(cli.path, ['consume', ...flags])
    await consumer.logWhere((line) => line.level === 'warn' && told.test(String(line.msg)))
    expect(await consumer.stop()).toEqual({ code: 0, signal: null })
  })

  test('a Kafka that is absent is tried again by the collector after --kafka-flush-ms at most', async () => {
    const flags = ['--kafka-brokers', `127.0.0.1:${await unusedPort()}`, '--kafka-flush-ms', '100']
    const usual = ['--agent-polling', 'false', '--listen-endpoint', '127.0.0.1:0']
    const collector = startProgram(cli.path, ['collector', ...usual, ...flags])
    const pauses = () => collector.log.map(({ waitMs }) => waitMs).filter((ms) => typeof ms === 'number')
    await collector.logWhere(() => pauses().length >= 10)
    await collector.stop()
    expect(Math.max(...pauses())).toBeLessThanOrEqual(100)
  })
})

/** How many datapoints it has read in all, once that has not grown for ten lines of statistics. */
async function totalOnceItStands({ stderr }: ChildProcess): Promise<number> {
  let [last, times] = [-1, 0]
  for await (const text of createInterface({ input: stderr! })) {
    const { msg, total } = JSON.parse(text) as JsonLine & { total?: { datapoints: number } }
    if (msg !== 'stats' || total === undefined || total.datapoints === 0) continue
    times = total.datapoints === last ? times + 1 : 0
    last = total.datapoints
    if (times === 10) return last
  }
  throw new Error('The consumer ended.')
}

async function residentKbytes({ pid }: ChildProcess): Promise<number> {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1])
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const piece of stream) text += piece
  return text
}
