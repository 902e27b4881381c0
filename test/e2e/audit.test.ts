import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Audit } from '../../src/model/audit.js'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { endPrograms, type Program, startProgram } from '../support/program.js'

let cli: BuiltCli
let dir: string

beforeAll(async () => {
  cli = await buildCli()
}, 120_000)
afterAll(() => cli.remove())

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dcos-stats-audit-'))
})
afterEach(async () => {
  await endPrograms()
  await rm(dir, { recursive: true, force: true })
})

const admin = ['--admin-listen', '127.0.0.1:0']
const bus = () => ['--bus', 'embedded', '--bus-dir', join(dir, 'bus')]

function startCollector(port: number, ...more: string[]): Program {
  const flags = ['--listen-endpoint', `127.0.0.1:${port}`, '--agent-polling=false', '--kafka-produce-period-ms', '50']
  return startProgram(cli.path, ['collector', ...flags, ...bus(), ...admin, ...more])
}

function startProxy(collectorPort: number): Program {
  return startProgram(cli.path, [
    ...['statsd-proxy', '--isolator-listen', '127.0.0.1:0', '--listen-host', '127.0.0.1', '--agent-polling=false'],
    ...['--output-collector-port', String(collectorPort), '--output-collector-chunk-timeout-seconds', '0.1'],
    ...['--state-path-dir', join(dir, 'state'), ...admin],
  ])
}

/** Where a container of this proxy sends StatsD to. */
async function announce(proxy: Program): Promise<string> {
  const { address } = await proxy.logWhere(({ msg }) => String(msg).includes('can announce containers here'))
  const answer = await fetch(`http://${address}/container`, { method: 'POST', body: '{"container_id": "c1"}' })
  return String(((await answer.json()) as { statsd_port: number }).statsd_port)
}

function startConsumer(group: string): Program {
  return startProgram(cli.path, ['consume', '--group-id', group, '--from', 'earliest', ...bus(), ...admin])
}

async function adminOf(program: Program): Promise<string> {
  const { address } = await program.logWhere(({ msg }) => String(msg).startsWith('serving '))
  return String(address).replace('http://', '')
}

async function audit(...args: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [cli.path, 'audit', ...args], { env: { PATH: process.env.PATH ?? '' } })
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (data) => {
      said[name] += String(data)
    })
  }
  const [status] = await once(child, 'close')
  return { status: status as number | null, ...said }
}

async function auditAsJson(...args: string[]): Promise<Audit> {
  const { stdout, stderr } = await audit('--json', ...args)
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as Audit
}

function unusedPort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

/** Looks until an account is as it is wanted; the test's own time limit ends it. */
async function auditUntil(isEnough: (found: Audit) => boolean, ...args: string[]): Promise<Audit> {
  for (;;) {
    const found = await auditAsJson(...args)
    if (isEnough(found)) return found
  }
}

const receivedBy = (hop: string) => (found: Audit) =>
  found.hops.filter((account) => account.hop === hop).reduce((sum, { received }) => sum + received, 0)

test('a proxy, a collector and consumers of two groups balance while data flows; a collector that was killed does not', async () => {
  const collectorPort = await unusedPort()
  const collector = startCollector(collectorPort)
  const collectorAdmin = await adminOf(collector)
  const proxy = startProxy(collectorPort)
  const others = [proxy, startConsumer('one'), startConsumer('one'), startConsumer('two')]
  const all = (await Promise.all(others.map(adminOf))).flatMap((address) => ['--admin', address])
  const emit = ['emit', 'statsd', '--statsd-udp-host', '127.0.0.1', '--statsd-udp-port', await announce(proxy)]
  startProgram(cli.path, [...emit, '--rate', '500'])

  const flowing = await auditUntil(
    (found) => receivedBy('collector')(found) > 0 && receivedBy('consume')(found) > 0,
    ...all,
    ...['--admin', collectorAdmin, '--wait', '10'],
  )
  expect(flowing).toMatchObject({ balanced: true })
  expect(flowing.links.map(({ from, to }) => `${from} -> ${to}`)).toEqual([
    'statsd-proxy -> collector',
    'collector -> consume, group one',
    'collector -> consume, group two',
  ])

  const table = await audit(...all, '--admin', collectorAdmin)
  expect(table).toMatchObject({ status: 0, stderr: '' })
  expect(table.stdout).toMatch(new RegExp(`^collector +\\d+ +\\d+ +0 +\\d+ +balanced +${collectorAdmin}$`, 'm'))
  expect(table.stdout).toMatch(/^statsd-proxy +collector +\d+ +\d+ +all /m)

  await collector.stop('SIGKILL')
  expect(await audit(...all, '--admin', collectorAdmin)).toMatchObject({
    status: 69,
    stdout: '',
    stderr: expect.stringMatching(
      new RegExp(`^dcos-stats audit: The daemon at --admin ${collectorAdmin} does not answer`),
    ),
  })

  // Its successor has no account of what the one before received.
  const successor = await adminOf(startCollector(collectorPort))
  const broken = await audit(...all, '--admin', successor, '--wait', '0')
  expect(broken).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/^dcos-stats audit: \d+ datapoints are missing without a reason\.\n$/),
  })
  expect(broken.stdout).toMatch(/^statsd-proxy +collector +\d+ +\d+ +\d+ MISSING$/m)
}, 60_000)

test('a token is sent from its file; without it, and with no daemon at all, that is told', async () => {
  const token = join(dir, 'token')
  await writeFile(token, 'abc\n')
  const address = await adminOf(startCollector(0, '--admin-token-file', token))
  expect(await audit('--admin', address)).toMatchObject({
    status: 69,
    stderr: expect.stringContaining('wants a token: give --admin-token-file'),
  })
  const alone = await audit('--admin', `${address},${address}`, '--admin-token-file', token)
  expect(alone).toMatchObject({ status: 0, stderr: '' })
  expect(alone.stdout.split('\n')).toEqual([
    expect.stringMatching(/^hop +received +forwarded +dropped +held +account +daemon$/),
    expect.stringMatching(/^collector +0 +0 +0 +0 +balanced +127/),
    '',
  ])
  expect(await audit()).toMatchObject({ status: 2, stderr: expect.stringContaining('--admin (ADMIN) is missing') })
})
