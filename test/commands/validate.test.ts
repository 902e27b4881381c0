import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { startJsonServer } from '../support/json-server.js'

let cli: BuiltCli
beforeAll(async () => {
  cli = await buildCli()
}, 120_000)
afterAll(() => cli.remove())

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

/** The program beside servers of this process, which must be able to answer meanwhile. */
async function call(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [cli.path, ...args], { env: { PATH: process.env.PATH ?? '', ...env } })
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (data) => (said[name] += String(data)))
  const [status] = await once(child, 'close')
  return { status: status as number | null, ...said }
}

async function listen(): Promise<string> {
  const server = createServer((socket) => socket.on('error', () => {}).resume())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push(server)
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}

describe('validate', () => {
  test('options that are right: exit 0, and nobody was connected to', async () => {
    const agent = await startJsonServer((_request, response) => response.end('{}'))
    open.push(agent)
    expect(await call(['validate', 'collector', '--agent-url', agent.url], { KAFKA_PRODUCE_COUNT: '5' })).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^The options of collector are right: 2 given, \d+ by default\.\n$/),
      stderr: '',
    })
    expect(agent.requests).toEqual([])
  })

  test('every mistake as the command itself would tell it', async () => {
    const config = join(cli.home, 'collector.yaml')
    await writeFile(config, 'kafka-produce-count: many\nconnect: true\n')
    const asked = ['collector', '--config', config, '--listen-endpont', 'nowhere']
    const own = await call(asked)
    const validated = await call(['validate', ...asked])
    expect(own).toMatchObject({ status: 2, stderr: expect.stringContaining('3 mistakes in the options') })
    expect(validated).toEqual({
      ...own,
      stderr: own.stderr.replace('dcos-stats collector:', 'dcos-stats validate collector:'),
    })
    expect(await call(['validate', 'collector', '--config', config])).toMatchObject({ status: 78 })
  })

  test('--connect: a line for each; exit 69 where one is not reached', async () => {
    const broker = await listen()
    const agent = await startJsonServer((_request, response) => response.end('{"id": "S7"}'))
    open.push(agent)
    const args = ['validate', 'collector', '--connect', '--agent-url', agent.url, '--kafka-brokers']
    const reached = await call([...args, broker])
    expect(reached).toMatchObject({ status: 0, stderr: '' })
    expect(reached.stdout.split('\n').slice(1, 3)).toEqual([
      expect.stringMatching(`^ok  Kafka broker ${broker} +connected in \\d+ ms \\(--kafka-brokers\\)$`),
      expect.stringMatching(`^ok  Mesos agent ${agent.url} +is agent S7 \\(--agent-url\\)$`),
    ])
    expect(await call([...args, `${broker},127.0.0.1:1`])).toMatchObject({
      status: 69,
      stdout: expect.stringMatching(/^FAIL +Kafka broker 127\.0\.0\.1:1 +refused: nothing listens there \(--/m),
      stderr: 'dcos-stats validate collector: 1 of 3 cannot be reached.\n',
    })
  })

  test('--connect where nobody is named', async () => {
    expect(await call(['validate', 'collector', '--bus', 'none', '--agent-polling=false', '--connect'])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('They name nobody to connect to.'),
    })
  })
})

describe('config show', () => {
  test('tells each option and where it comes from', async () => {
    const env = { STATSD_UDP_HOST: '127.0.0.1' }
    const { status, stdout } = await call(['config', 'show', 'emit', '--statsd-udp-port', '8125'], env)
    expect(status).toBe(0)
    expect(stdout).toMatch(/^statsd-udp-host +127\.0\.0\.1 +variable STATSD_UDP_HOST$/m)
    expect(stdout).toMatch(/^statsd-udp-port +8125 +flag --statsd-udp-port$/m)
    expect(stdout).toMatch(/^log-level +info +default$/m)
  })

  test('a mistake is told as the command itself would tell it', async () => {
    expect(await call(['config', 'show', 'emit', 'statsd'])).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringContaining('--statsd-udp-host (STATSD_UDP_HOST) is missing'),
    })
  })
})
