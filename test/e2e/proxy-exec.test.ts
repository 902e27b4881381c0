import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { summary } from '../support/statsd-reading.js'
import { startTcpCollector, type TcpCollector } from '../support/tcp-collector.js'

let cli: BuiltCli
let dir: string
let collector: TcpCollector

beforeAll(async () => {
  cli = await buildCli()
}, 120_000)
afterAll(() => cli.remove())

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dcos-stats-exec-'))
  collector = await startTcpCollector()
})
afterEach(async () => {
  await collector.stop()
  await rm(dir, { recursive: true, force: true })
})

/** The words of a command line that runs JavaScript with a StatsD endpoint. */
function commandLine(flags: readonly string[], script: string): string[] {
  const output = ['--output-collector-port', String(collector.port)]
  return [cli.path, 'statsd-proxy', 'exec', ...output, ...flags, '--', process.execPath, '-e', script]
}

function exec(script: string, ...flags: string[]): ChildProcess {
  return spawn(process.execPath, commandLine(flags, script), { stdio: 'pipe' })
}

async function ending(child: ChildProcess) {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (text) => {
    stdout += text
  })
  child.stderr?.on('data', (text) => {
    stderr += text
  })
  const [code, signal] = await once(child, 'close')
  return { code, signal, stdout, stderr }
}

const received = () => collector.connections.flatMap(({ lists }) => summary(lists))

/** Sends so many datapoints and ends as soon as the kernel has them. */
const sender = (count: number, family = 'udp4') => `
  const { STATSD_UDP_HOST: host, STATSD_UDP_PORT: port } = process.env
  const socket = require('dgram').createSocket('${family}')
  let left = ${count}
  for (let i = 0; i < ${count}; i++) socket.send('hits:' + i + '|c', Number(port), host, () => --left || process.exit(3))
`

test('the command gets an endpoint, its datapoints get its tags, and what it sent last arrives', async () => {
  const flags = ['--container-id', 'web-1', '--framework-id', 'shop', '--executor-id', 'web']
  const result = await ending(exec(sender(500), ...flags))
  expect(result).toEqual({ code: 3, signal: null, stdout: '', stderr: '' })
  const tags = 'framework_id=shop executor_id=web container_id=web-1'
  expect(received().sort()).toEqual(Array.from({ length: 500 }, (_, i) => `hits ${i} ${tags}`).sort())
  expect(new Set(collector.connections.flatMap(({ lists }) => lists.map(({ topic }) => topic)))).toEqual(
    new Set(['shop']),
  )
})

test('without flags the container has a new id each time, and the command names the executor', async () => {
  await ending(exec(sender(1)))
  await ending(exec(sender(1)))
  const ids = received().map(
    (point) => /^hits 0 framework_id=exec executor_id=node container_id=(\S+)$/.exec(point)?.[1],
  )
  expect(new Set(ids).size).toBe(2)
  expect(ids).not.toContain(undefined)
})

test('its standard streams are the command`s own', async () => {
  const child = exec(
    'process.stdin.on("data", (text) => { process.stdout.write("out " + text); process.stderr.write("err") })',
  )
  child.stdin?.end('hello')
  expect(await ending(child)).toEqual({ code: 0, signal: null, stdout: 'out hello', stderr: 'err' })
})

describe('signals reach the command, and its end is ours', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const)('%s', async (signal) => {
    const child = exec(`
      process.on('${signal}', (name) => { console.log(name); setTimeout(() => process.exit(9), 50) })
      setInterval(() => {}, 1000)
      console.log('ready')
    `)
    const ended = ending(child)
    await once(child.stdout!, 'data')
    child.kill(signal)
    expect(await ended).toEqual({ code: 9, signal: null, stdout: `ready\n${signal}\n`, stderr: '' })
  })

  test('again and again: the command decides when it has had enough', async () => {
    const child = exec(`
      let count = 0
      process.on('SIGTERM', () => { console.log(++count); if (count === 3) process.exit(0) })
      setInterval(() => {}, 1000)
      console.log('ready')
    `)
    const ended = ending(child)
    await once(child.stdout!, 'data')
    for (let count = 1; count <= 3; count++) {
      child.kill('SIGTERM')
      if (count < 3) await once(child.stdout!, 'data')
    }
    expect(await ended).toMatchObject({ code: 0, stdout: 'ready\n1\n2\n3\n' })
  })

  test('a command that a signal ends: 128 and its number', async () => {
    expect(await ending(exec('process.kill(process.pid, "SIGKILL")'))).toMatchObject({ code: 137, signal: null })
  })
})

describe('a command that cannot be started', () => {
  test.each<[what: string, command: string[], status: number, stderr: RegExp]>([
    ['is not there', ['no-such-command'], 127, /^dcos-stats statsd-proxy exec: no-such-command could not be started/],
    ['is not executable', ['./plain'], 126, /\.\/plain could not be started: .*EACCES/],
    ['is not given', [], 2, /Name the command behind --/],
  ])('%s', async (_what, command, status, stderr) => {
    await writeFile(join(dir, 'plain'), 'x')
    await chmod(join(dir, 'plain'), 0o600)
    const args = [cli.path, 'statsd-proxy', 'exec', '--output-collector-port', String(collector.port), '--', ...command]
    const result = spawnSync(process.execPath, args, { cwd: dir, encoding: 'utf8' })
    expect(result).toMatchObject({ status, stdout: '', stderr: expect.stringMatching(stderr) })
  })
})

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))
const ipv6Test = hasIpv6 ? test : test.skip

ipv6Test('an IPv6 address, and a port of one`s choice', async () => {
  const child = exec(`console.log(process.env.STATSD_UDP_HOST);${sender(1, 'udp6')}`, '--listen-host', '::1')
  expect(await ending(child)).toMatchObject({ code: 3, stdout: '::1\n' })
  expect(received()).toHaveLength(1)
})

test('a collector that is away: the command runs all the same, and the loss is told', async () => {
  const { port } = collector
  await collector.stop()
  const args = ['--shutdown-timeout-ms', '300', '--output-collector-port', String(port), '--log-level', 'info']
  const { code, stderr } = await ending(exec(sender(5), ...args))
  expect(code).toBe(3)
  const lines = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines.at(-1)).toMatchObject({ msg: 'ledger at exit', received: 5, dropped: { collector_away: 5 }, held: 0 })
  collector = await startTcpCollector()
})
