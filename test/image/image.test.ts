import { fileURLToPath } from 'node:url'
import { imbalance, type LedgerSnapshot } from '../../src/model/ledger.js'
import { freePorts } from '../services/support/ports.js'
import { type Docker, openDocker } from './support/docker.js'

const project = fileURLToPath(new URL('../..', import.meta.url))
const image = `dcos-stats-test:${process.pid}`
const MIB = 1024 * 1024

let docker: Docker
const started: string[] = []

beforeAll(async () => {
  docker = await openDocker()
  const tag = ['-f', `${project}/deploy/Dockerfile`, '-t', image]
  await docker.run('build', '--network', 'host', '--build-arg', `BASE=${docker.base}`, ...tag, project)
}, 600_000)

afterEach(async () => {
  for (const name of started.splice(0)) await docker.run('rm', '-f', '-v', name).catch(() => {})
})

afterAll(async () => {
  await docker?.run('rmi', '-f', image).catch(() => {})
  await docker?.close()
})

/** Starts a container whose health is asked for each second; what is in front of `--` belongs to docker. */
async function start(...args: string[]): Promise<string> {
  const split = args.indexOf('--')
  const [flags, words] = [args.slice(0, split), args.slice(split + 1)]
  const health = ['--health-interval', '1s', '--health-start-period', '1ms']
  const { stdout } = await docker.run('run', '-d', '--network', 'host', ...health, ...flags, image, ...words)
  started.push(stdout.trim())
  return stdout.trim()
}

async function inspect(name: string, format: string): Promise<string> {
  return (await docker.run('inspect', '-f', format, name)).stdout.trim()
}

function health(name: string, wanted: 'healthy' | 'unhealthy'): Promise<string> {
  return docker.until(
    () => inspect(name, '{{.State.Health.Status}} {{range .State.Health.Log}}{{.Output}}{{end}}'),
    (status) => status.startsWith(wanted),
  )
}

async function stop(name: string): Promise<{ exitCode: number; ledgers: LedgerSnapshot[] }> {
  await docker.run('stop', '-t', '15', name)
  const { stderr } = await docker.run('logs', name)
  const lines = stderr.split('\n').filter((line) => line.includes('"ledger at exit'))
  const ledgers = lines.map((line) => JSON.parse(line) as LedgerSnapshot)
  return { exitCode: Number(await inspect(name, '{{.State.ExitCode}}')), ledgers }
}

test('is less than 250 MB larger than its base', async () => {
  const [size, base] = await Promise.all([image, docker.base].map((name) => inspect(name, '{{.Size}}')))
  const overMib = (Number(size) - Number(base)) / MIB
  process.stderr.write(`The image is ${overMib.toFixed(0)} MiB over its base.\n`)
  expect(overMib).toBeGreaterThan(1)
  expect(overMib).toBeLessThan(250)
})

test('holds what runs, and nothing of what it was built with', async () => {
  const { stdout } = await docker.run('run', '--rm', '--entrypoint', 'sh', image, '-c', 'ls; ls node_modules')
  const names = stdout.split('\n')
  expect(names).toEqual(expect.arrayContaining(['bin', 'dist', 'schema', 'samples', 'package.json', 'kafkajs', 'lmdb']))
  expect(names.filter((name) => ['src', 'test', 'typescript', 'jest', 'fast-check', '.git'].includes(name))).toEqual([])
})

test('runs as a user that is not root, and shows help where nothing is asked for', async () => {
  const { stdout } = await docker.run('run', '--rm', '--network', 'none', image)
  expect(stdout).toMatch(/dcos-stats <command> \[options\]/)
  const id = await docker.run('run', '--rm', '--network', 'none', '--entrypoint', 'id', image, '-u')
  expect(id.stdout.trim()).toBe('1000')
})

test('local-stack prints metrics, becomes healthy, and drains on SIGTERM with balanced ledgers', async () => {
  const [port] = await freePorts(1)
  const name = await start('-e', `ADMIN_LISTEN=127.0.0.1:${port}`, '--', 'local-stack')
  await docker.until(
    async () => (await docker.run('logs', name)).stdout,
    (text) => text.includes('"name":"web.requests"'),
  )
  expect(await health(name, 'healthy')).toMatch(/^healthy/)
  const page = await fetch(`http://127.0.0.1:${port}/`)
  expect([page.status, page.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/html')])
  const { exitCode, ledgers } = await stop(name)
  expect(exitCode).toBe(0)
  expect(ledgers.map(({ hop }) => hop).sort()).toEqual(['collector', 'consume', 'statsd-proxy'])
  expect(ledgers.map(imbalance)).toEqual([0, 0, 0])
})

test('a collector on a read-only root is healthy, and PID 1 gets the signal', async () => {
  const [admin, avro] = await freePorts(2)
  const name = await start(
    ...['--read-only', '--tmpfs', '/tmp', '--memory', '256m', '--cap-drop', 'ALL'],
    ...['-e', `ADMIN_LISTEN=127.0.0.1:${admin}`, '-e', `LISTEN_ENDPOINT=127.0.0.1:${avro}`, '--'],
    ...['collector', '--bus', 'none', '--agent-polling=false'],
  )
  await health(name, 'healthy')
  const beganMs = performance.now()
  expect(await stop(name)).toMatchObject({ exitCode: 0, ledgers: [{ hop: 'collector', received: 0 }] })
  expect(performance.now() - beganMs).toBeLessThan(9_000)
})

test('a proxy keeps its state in a new volume; the health check finds an admin server given by a flag, with a token', async () => {
  const [admin, isolator] = await freePorts(2)
  const volume = `dcos-stats-test-${process.pid}`
  try {
    const name = await start(
      ...['-v', `${volume}:/var/lib/dcos-stats/proxy`, '-e', 'ADMIN_TOKEN=secret', '--', 'statsd-proxy'],
      ...['--admin-listen', `0.0.0.0:${admin}`, '--isolator-listen', `127.0.0.1:${isolator}`, '--agent-polling=false'],
    )
    await health(name, 'healthy')
    const response = await fetch(`http://127.0.0.1:${isolator}/container`, {
      method: 'POST',
      body: JSON.stringify({ container_id: 'c-1' }),
    })
    expect(response.status).toBe(201)
    const state = await docker.run('exec', name, 'cat', '/var/lib/dcos-stats/proxy/containers/c-1')
    expect(JSON.parse(state.stdout)).toMatchObject({ container_id: 'c-1', statsd_host: '127.0.0.1' })
    expect((await stop(name)).exitCode).toBe(0)
  } finally {
    await docker.run('rm', '-f', ...started.splice(0))
    await docker.run('volume', 'rm', volume)
  }
})

test('an emitter has no /health and is well while it runs; where /health does not answer, the container is unhealthy', async () => {
  const target = ['-e', 'STATSD_UDP_HOST=127.0.0.1', '-e', 'STATSD_UDP_PORT=9']
  await health(await start(...target, '--', 'emit', 'statsd'), 'healthy')
  const [port] = await freePorts(1)
  const mute = await start('-e', `ADMIN_LISTEN=127.0.0.1:${port}`, '--entrypoint', 'sleep', '--', '60')
  expect(await health(mute, 'unhealthy')).toMatch(/ECONNREFUSED/)
})
