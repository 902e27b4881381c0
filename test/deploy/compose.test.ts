import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import { workingCommands } from '../../src/commands/index.js'
import { freePorts } from '../services/support/ports.js'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { startInfluxDouble } from '../support/influx-double.js'
import { knownOptions } from '../support/known-options.js'
import {
  type CommandFolder,
  endShellPrograms,
  makeCommandFolder,
  type ShellProgram,
  startInFolder,
} from '../support/shell-program.js'

const folder = fileURLToPath(new URL('../../deploy/', import.meta.url))

const service = z.strictObject({
  image: z.string().regex(/^[\w./-]+:[\w.-]+$/),
  build: z.strictObject({ context: z.string(), dockerfile: z.string() }).optional(),
  entrypoint: z.array(z.string()).optional(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
  ports: z.array(z.string().regex(/^127\.0\.0\.1:\d+:\d+(\/udp)?$/)).optional(),
  volumes: z.array(z.string().regex(/^[^:]+:\/[^:]+(:ro)?$/)).default([]),
  configs: z.array(z.strictObject({ source: z.string(), target: z.string().startsWith('/') })).default([]),
  depends_on: z.array(z.string()).default([]),
  network_mode: z.string().optional(),
  profiles: z.array(z.string()).optional(),
  restart: z.enum(['unless-stopped', 'on-failure']).optional(),
  stop_grace_period: z.string().optional(),
  read_only: z.boolean().optional(),
  tmpfs: z.array(z.string()).optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
  healthcheck: z.strictObject({ disable: z.literal(true) }).optional(),
})

const compose = z
  .strictObject({
    name: z.string(),
    'x-dcos-stats': z.unknown(),
    services: z.record(z.string(), service),
    configs: z.record(z.string(), z.strictObject({ content: z.string() })),
    volumes: z.record(z.string(), z.null()),
  })
  .parse(parse(readFileSync(join(folder, 'compose.yaml'), 'utf8'), { merge: true }))

const services = Object.entries(compose.services)
const roles = services.filter(([, { image, entrypoint }]) => image.startsWith('dcos-stats') && !entrypoint)

test('has Kafka, InfluxDB, Grafana, and every part of the stack', () => {
  const images = services.map(([, { image }]) => image.split(':')[0])
  expect(images).toEqual(expect.arrayContaining(['apache/kafka', 'influxdb', 'grafana/grafana']))
  const commands = roles.map(([, { command = [] }]) => commandOf(command))
  expect(commands).toEqual(expect.arrayContaining(['statsd-proxy', 'collector', 'consume', 'emit statsd']))
})

test('names only services, volumes, configs and files that are there', () => {
  for (const [, { depends_on, network_mode, volumes, configs, build }] of services) {
    const named = [...depends_on, ...(network_mode ? [network_mode.replace('service:', '')] : [])]
    expect(named.filter((name) => !(name in compose.services))).toEqual([])
    expect(configs.filter(({ source }) => !(source in compose.configs))).toEqual([])
    const sources = volumes.map((volume) => volume.split(':')[0] ?? '')
    expect(
      sources.filter((source) =>
        source.startsWith('.') ? !existsSync(join(folder, source)) : !(source in compose.volumes),
      ),
    ).toEqual([])
    if (build) expect(existsSync(join(folder, build.context, build.dockerfile))).toBe(true)
  }
  for (const { content } of Object.values(compose.configs)) expect(parse(content)).toMatchObject({ apiVersion: 1 })
})

test('its own image is that of this version', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  expect(new Set(roles.map(([, { image }]) => image))).toEqual(new Set([`dcos-stats:${version}`]))
})

describe.each(roles)('%s', (_name, { command = [], environment }) => {
  test('has only flags and variables of its command', () => {
    const { flags, variables } = knownOptions(commandOf(command))
    const given = command.filter((word) => word.startsWith('--')).map((word) => word.slice(2))
    expect(given.filter((flag) => !flags.has(flag))).toEqual([])
    expect(Object.keys(environment).filter((name) => !variables.has(name))).toEqual([])
  })

  test('calls other services by their names', () => {
    const values = [...command, ...Object.values(environment).map(String)]
    const hosts = values.flatMap((value) => /^(?:https?:\/\/)?([a-z][a-z-]+):\d+$/.exec(value)?.[1] ?? [])
    const named = Object.entries(environment).flatMap(([name, value]) =>
      /_(HOST|IP)$/.test(name) ? [String(value)] : [],
    )
    expect([...hosts, ...named].filter((host) => !(host in compose.services))).toEqual([])
  })
})

describe('run without containers', () => {
  let cli: BuiltCli
  let commands: CommandFolder
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
    dir = await mkdtemp(join(tmpdir(), 'dcos-stats-compose-'))
  })
  afterEach(async () => {
    await endShellPrograms()
    await rm(dir, { recursive: true, force: true })
  })

  test('a metric of the emitter comes to InfluxDB with the tags of the container that was announced', async () => {
    const influxd = await startInfluxDouble()
    const [agentPort = 0, isolatorPort = 0, statsdPort = 0, avroPort = 0] = await freePorts(4)
    // What a name and a port of a service are on this machine.
    const here: Readonly<Record<string, string>> = {
      '/opt/dcos-stats/dist': join(cli.home, 'dist'),
      'port: 5051': `port: ${agentPort}`,
      'mesos-agent:5051': `127.0.0.1:${agentPort}`,
      '127.0.0.1:8127': `127.0.0.1:${isolatorPort}`,
      '0.0.0.0:8124': `127.0.0.1:${avroPort}`,
      $$: '$',
    }
    const placed = (text: string) =>
      Object.entries(here).reduce((result, [from, to]) => result.replaceAll(from, to), text)
    const hosts = /^(mesos-agent|statsd-proxy|collector|influxdb)$/

    function start(name: string, overrides: Record<string, string> = {}): ShellProgram {
      const { entrypoint = ['dcos-stats'], command = [], environment } = compose.services[name] ?? service.parse({})
      const words = [...entrypoint, ...command].map((word) => (word === '0.0.0.0' ? '127.0.0.1' : placed(word)))
      const given = Object.entries(environment).map(([key, value]) => [
        key,
        hosts.test(String(value)) ? '127.0.0.1' : placed(String(value)),
      ])
      const ports = words.map((word) => (word === '8125' ? String(statsdPort) : word))
      return startInFolder(commands, ports as [string, ...string[]], { ...Object.fromEntries(given), ...overrides })
    }

    try {
      const bus = { BUS: 'embedded', BUS_DIR: join(dir, 'bus'), KAFKA_TOPIC_POLL_PERIOD_MS: '300' }
      const statsd = { STATSD_UDP_PORT: String(statsdPort) }
      const agent = start('mesos-agent')
      const collector = start('collector', { ...bus, ...statsd, KAFKA_PRODUCE_PERIOD_MS: '200' })
      const proxy = start('statsd-proxy', {
        ISOLATOR_LISTEN: `127.0.0.1:${isolatorPort}`,
        STATE_PATH_DIR: join(dir, 'state'),
        OUTPUT_COLLECTOR_PORT: String(avroPort),
      })
      await proxy.until(({ stderr }) => stderr.includes('the isolator module can announce containers here'))
      await collector.until(({ stderr }) => stderr.includes('taking in Avro streams'))
      const announcer = start('announcer')
      expect({ ...(await announcer.ended), said: announcer.stderr() }).toEqual({ code: 0, signal: null, said: '' })
      const consumer = start('consume-influx', { ...bus, OUTPUT_PORT: new URL(influxd.url).port })
      const emitter = start('emitter', statsd)

      const wanted = /^dcos,.*container_id=[^,]+,.*framework_id=[^,]+.*statsd_emitter\.proc\.pid=/
      const endMs = performance.now() + 30_000
      while (!influxd.stored.some((line) => wanted.test(line)) && performance.now() < endMs) await sleep(50)
      expect(influxd.stored.filter((line) => wanted.test(line))).not.toEqual([])
      for (const program of [emitter, proxy, collector, consumer, agent]) {
        expect(await program.stop()).toEqual({ code: 0, signal: null })
      }
    } finally {
      await influxd.stop()
    }
  }, 60_000)
})

/** The words that name the command: `emit statsd`. */
function commandOf(words: readonly string[]): string {
  const [first = '', second = ''] = words
  const names = workingCommands.map(({ name }) => name)
  return [`${first} ${second}`, first].find((name) => names.includes(name)) ?? first
}
