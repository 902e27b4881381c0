import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { type SimulatedAgent, startSimulatedAgent } from '../../src/agent/simulated-agent.js'
import { freePorts } from '../services/support/ports.js'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { startCarbonDouble } from '../support/carbon-double.js'
import { startInfluxDouble } from '../support/influx-double.js'
import { type MarathonApp, marathonApp } from '../support/marathon-app.js'
import {
  type CommandFolder,
  endShellPrograms,
  makeCommandFolder,
  type ShellProgram,
  startInFolder,
} from '../support/shell-program.js'

const folder = fileURLToPath(new URL('../../deploy/marathon/', import.meta.url))
const samples = fileURLToPath(new URL('../../samples/agent/', import.meta.url))
const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'))
const appNames = readdirSync(folder).filter((name) => name.endsWith('.json') && name !== 'modules.json')
const appOf = (name: string): MarathonApp => marathonApp.parse(read(name))

describe.each(appNames)('%s', (name) => {
  test('is an app that Marathon takes', () => {
    expect(marathonApp.safeParse(read(name)).error?.issues).toBeUndefined()
  })

  test('names the image of this version', () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    expect(appOf(name).container.docker.image).toBe(`dcos-stats:${version}`)
  })

  test('has time to drain, and what serves is asked for its health', () => {
    const { taskKillGracePeriodSeconds = 3, healthChecks = [], portDefinitions } = appOf(name)
    expect(taskKillGracePeriodSeconds).toBeGreaterThan(portDefinitions.length > 0 ? 10 : 1)
    expect(healthChecks).toHaveLength(portDefinitions.length > 0 ? 1 : 0)
  })
})

test('a collector runs on every node, public ones too, at port 8124', () => {
  expect(appOf('collector.json')).toMatchObject({
    acceptedResourceRoles: ['slave_public', '*'],
    constraints: [['hostname', 'UNIQUE']],
    requirePorts: true,
    portDefinitions: expect.arrayContaining([{ port: 8124, protocol: 'tcp', name: 'avro' }]),
  })
})

test('the proxy is started by Docker, because the isolator module asks it before the Mesos containerizer starts anything', () => {
  expect(appOf('statsd-proxy.json').container.type).toBe('DOCKER')
  expect(appOf('statsd-emitter.json').container.type).toBe('MESOS')
})

describe('modules.json', () => {
  const parameter = z.strictObject({ key: z.string(), value: z.string() })
  const modules = z
    .strictObject({
      libraries: z.array(
        z.strictObject({
          file: z.string().startsWith('/'),
          modules: z.array(z.strictObject({ name: z.string(), parameters: z.array(parameter) })),
        }),
      ),
    })
    .parse(read('modules.json'))
  const ours = modules.libraries[0]?.modules[0]

  test('has what a real agent with this module has', () => {
    const state = JSON.parse(readFileSync(join(samples, 'mesos-1.11-task', 'state.json'), 'utf8'))
    const flag: string = state.flags.modules
    expect(ours?.name).toBe(/modules \{\s+name: "(\w+)"/.exec(flag)?.[1])
    const keys = [...flag.matchAll(/key: "(\w+)"/g)].map(([, key]) => key)
    expect(keys).toHaveLength(4)
    expect(ours?.parameters.map(({ key }) => key)).toEqual(expect.arrayContaining(keys))
  })

  test('asks where the proxy listens', () => {
    const { env = {}, portDefinitions } = appOf('statsd-proxy.json')
    const parameterOf = (key: string) => ours?.parameters.find((parameter) => parameter.key === key)?.value
    expect(parameterOf('dcos_metrics_service_address')).toBe(env.ISOLATOR_LISTEN)
    expect(env.ISOLATOR_LISTEN).toBe(`127.0.0.1:${portDefinitions[0]?.port}`)
    expect(parameterOf('dcos_metrics_service_endpoint')).toBe('/container')
  })
})

describe('started as Marathon starts them', () => {
  let cli: BuiltCli
  let commands: CommandFolder
  let agent: SimulatedAgent
  let dir: string

  beforeAll(async () => {
    cli = await buildCli()
    commands = await makeCommandFolder(cli.path)
  }, 60_000)
  afterAll(async () => {
    await commands.remove()
    await cli.remove()
  })
  beforeEach(async () => {
    agent = await startSimulatedAgent()
    dir = await mkdtemp(join(tmpdir(), 'dcos-stats-marathon-'))
  })
  afterEach(async () => {
    await endShellPrograms()
    await agent.close()
    await rm(dir, { recursive: true, force: true })
  })

  /** What Marathon gives a task, and, in place of Kafka and of fixed ports, what this machine has. */
  function start(name: string, ports: readonly number[], overrides: Record<string, string> = {}): ShellProgram {
    const { cmd, args = [], env } = appOf(name)
    const given = Object.fromEntries(ports.map((port, index) => [`PORT${index}`, String(port)]))
    const command = cmd === undefined ? (['dcos-stats', ...args] as const) : (['/bin/sh', '-c', cmd] as const)
    const bus = { BUS: 'embedded', BUS_DIR: join(dir, 'bus') }
    // As the image has it, so that it is seen who overrides it.
    const image = { ADMIN_LISTEN: '127.0.0.1:9100' }
    return startInFolder(commands, command, { ...image, ...env, ...given, HOST: '127.0.0.1', ...bus, ...overrides })
  }

  async function expectHealthy(name: string, ports: readonly number[], program: ShellProgram): Promise<void> {
    const [check] = appOf(name).healthChecks ?? []
    const url = `http://127.0.0.1:${ports[check?.portIndex ?? 0]}${check?.path}`
    await program.until(({ stderr }) => stderr.includes('"msg":"serving '))
    expect((await fetch(url)).status).toBe(200)
  }

  async function expectDrains(program: ShellProgram): Promise<void> {
    expect(await program.stop()).toEqual({ code: 0, signal: null })
    expect(program.stderr()).toContain('ledger at exit')
  }

  test('proxy, collector and the consumer for stdout bring the emitter of a container to stdout, with its container', async () => {
    const [avro, collectorAdmin, isolator, proxyAdmin, consumerAdmin] = (await freePorts(5)) as [
      number,
      number,
      number,
      number,
      number,
    ]
    const AGENT_PORT = new URL(agent.url).port
    const collector = start('collector.json', [avro, collectorAdmin], {
      AGENT_PORT,
      LISTEN_ENDPOINT: `127.0.0.1:${avro}`,
      ADMIN_LISTEN: `127.0.0.1:${collectorAdmin}`,
      KAFKA_PRODUCE_PERIOD_MS: '100',
    })
    const proxy = start('statsd-proxy.json', [isolator, proxyAdmin], {
      AGENT_PORT,
      ISOLATOR_LISTEN: `127.0.0.1:${isolator}`,
      ADMIN_LISTEN: `127.0.0.1:${proxyAdmin}`,
      STATE_PATH_DIR: join(dir, 'state'),
      OUTPUT_COLLECTOR_PORT: String(avro),
      OUTPUT_COLLECTOR_CHUNK_TIMEOUT_SECONDS: '0.2',
    })
    const consumer = start('consumer-stdout.json', [consumerAdmin], { KAFKA_TOPIC_POLL_PERIOD_MS: '300' })
    await expectHealthy('collector.json', [avro, collectorAdmin], collector)
    await expectHealthy('statsd-proxy.json', [isolator, proxyAdmin], proxy)
    await expectHealthy('consumer-stdout.json', [consumerAdmin], consumer)

    await proxy.until(({ stderr }) => stderr.includes('the isolator module can announce containers here'))
    const container = agent.containers()[0]
    const announced = await fetch(`http://127.0.0.1:${isolator}/container`, {
      method: 'POST',
      body: JSON.stringify({ container_id: container?.containerId }),
    })
    const endpoint = (await announced.json()) as { statsd_host: string; statsd_port: number }
    const emitter = start('statsd-emitter.json', [], {
      STATSD_UDP_HOST: endpoint.statsd_host,
      STATSD_UDP_PORT: String(endpoint.statsd_port),
    })
    await consumer.until(({ stdout }) => stdout.includes('statsd_emitter.'))
    const line = consumer
      .stdout()
      .split('\n')
      .find((text) => text.includes('statsd_emitter.'))
    expect(JSON.parse(line ?? '{}').tags).toMatchObject({
      framework_id: container?.frameworkId,
      container_id: container?.containerId,
      agent_id: agent.agentId,
    })
    expect(await emitter.stop()).toEqual({ code: 0, signal: null })
    for (const program of [proxy, collector, consumer]) await expectDrains(program)
  }, 60_000)

  test('the consumers for InfluxDB and Graphite bring what a collector puts on the bus to their servers', async () => {
    const [avro, collectorAdmin, influxAdmin, graphiteAdmin] = (await freePorts(4)) as [number, number, number, number]
    const influxd = await startInfluxDouble()
    const carbon = await startCarbonDouble()
    try {
      const influx = start('consumer-influx.json', [influxAdmin], {
        KAFKA_TOPIC_POLL_PERIOD_MS: '300',
        OUTPUT_HOST: '127.0.0.1',
        OUTPUT_PORT: new URL(influxd.url).port,
      })
      const graphite = start('consumer-graphite.json', [graphiteAdmin], {
        KAFKA_TOPIC_POLL_PERIOD_MS: '300',
        OUTPUT_HOST: '127.0.0.1',
        OUTPUT_PORT: String(carbon.port),
      })
      await expectHealthy('consumer-influx.json', [influxAdmin], influx)
      await expectHealthy('consumer-graphite.json', [graphiteAdmin], graphite)
      const collector = start('collector.json', [avro, collectorAdmin], {
        AGENT_PORT: new URL(agent.url).port,
        LISTEN_ENDPOINT: `127.0.0.1:${avro}`,
        ADMIN_LISTEN: `127.0.0.1:${collectorAdmin}`,
        KAFKA_PRODUCE_PERIOD_MS: '100',
      })
      const text = await carbon.until((text) => text.includes('dcos.metrics.agent.'))
      expect(text).toMatch(/^dcos\.\S*dcos\.metrics\.\S+ \S+ \d{10}$/m)
      while (!influxd.stored.some((line) => line.includes('dcos.metrics.agent.'))) await sleep(50)
      expect(influxd.stored.find((line) => line.includes('dcos.metrics.agent.'))).toMatch(/^dcos,agent_id=\S+ /)
      for (const program of [collector, influx, graphite]) await expectDrains(program)
    } finally {
      await influxd.stop()
      await carbon.stop()
    }
  }, 60_000)
})
