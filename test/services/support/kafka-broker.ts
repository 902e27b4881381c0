import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, mkdtemp, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { kafkaFolder } from './kafka-install.js'
import { accepts, freePorts } from './ports.js'

const run = promisify(execFile)

/** A listener beside the plain one: its protocol and the broker's properties for it, without `listener.name.<name>.`. */
export interface ExtraListener {
  readonly name: string
  readonly protocol: 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'
  readonly properties: Readonly<Record<string, string>>
}

export interface KafkaBroker {
  /** `host:port` of the plain listener, as `--kafka-brokers` takes it. */
  readonly brokers: readonly string[]
  /** `host:port` of each extra listener, by its name. */
  readonly listeners: Readonly<Record<string, string>>
  readonly pid: number
  /** kill -9 */
  kill(): Promise<void>
  /** Starts it again on the same ports and data; resolves when it listens. */
  start(): Promise<void>
  /** SIGSTOP: it hangs with its connections open. */
  freeze(): void
  thaw(): void
  /** Runs a single-file Java program with Kafka's jars on its class path; resolves with its stdout. */
  java(source: string, args: readonly string[]): Promise<string>
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

/** One KRaft node with its own ports, its own data, and 128 MB of heap. */
export async function startKafkaBroker({
  listeners = [],
  properties = {},
  scramUsers = {},
}: {
  listeners?: readonly ExtraListener[]
  properties?: Readonly<Record<string, string>>
  /** Name -> password, for SCRAM-SHA-256 and -512. */
  scramUsers?: Readonly<Record<string, string>>
} = {}): Promise<KafkaBroker> {
  const install = await kafkaFolder()
  const folder = await mkdtemp(join(tmpdir(), 'dcos-stats-kafka-'))
  const [port = 0, controllerPort = 0, ...extraPorts] = await freePorts(2 + listeners.length)
  const extra = listeners.map((listener, index) => ({ ...listener, port: extraPorts[index]! }))
  const config = join(folder, 'server.properties')
  await writeFile(config, serverProperties({ folder, port, controllerPort, extra, properties }))
  await format(install, config, scramUsers)
  const archive = join(install, 'kafka.jsa')
  const newArchive = join(folder, 'kafka.jsa')
  let child: ChildProcess | undefined

  const broker: KafkaBroker = {
    brokers: [`127.0.0.1:${port}`],
    listeners: Object.fromEntries(extra.map((listener) => [listener.name, `127.0.0.1:${listener.port}`])),
    get pid() {
      return child?.pid ?? 0
    },
    start,
    kill: () => end('SIGKILL'),
    freeze: () => child?.kill('SIGSTOP'),
    thaw: () => child?.kill('SIGCONT'),
    async java(source, args) {
      const flags = ['-Xmx96m', ...javaFlags, '-cp', join(install, 'lib', '*'), source, ...args]
      return (await run('java', flags, { timeout: 60_000, maxBuffer: 64 * 1024 * 1024 })).stdout
    },
    async stop() {
      child?.kill('SIGCONT')
      // Java writes its class archive only at an orderly end; it halves the next starts.
      const wantsArchive = !existsSync(archive) && child?.exitCode === null && child.signalCode === null
      await end(wantsArchive ? 'SIGTERM' : 'SIGKILL')
      if (wantsArchive && existsSync(newArchive)) await keepArchive(newArchive, archive)
      await rm(folder, { recursive: true, force: true })
    },
  }
  await start()
  return broker

  async function start(): Promise<void> {
    const sharing = existsSync(archive) ? `-XX:SharedArchiveFile=${archive}` : `-XX:ArchiveClassesAtExit=${newArchive}`
    const flags = ['-Xms128m', '-Xmx128m', ...javaFlags, sharing, '-cp', join(install, 'lib', '*')]
    const logFile = await open(join(folder, 'server.log'), 'a')
    const started = spawn('java', [...flags, 'kafka.Kafka', config], {
      cwd: folder,
      stdio: ['ignore', logFile.fd, logFile.fd],
    })
    child = started
    await logFile.close()
    const until = Date.now() + 60_000
    while (!(await accepts(port))) {
      if (started.exitCode !== null || started.signalCode !== null || Date.now() > until) {
        const log = await readFile(join(folder, 'server.log'), 'utf8')
        throw new Error(`The Kafka broker did not start. The end of its log:\n${log.slice(-3_000)}`)
      }
      await sleep(50)
    }
  }

  async function end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const ending = child
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return
    const gone = new Promise((resolve) => ending.once('exit', resolve))
    ending.kill(signal)
    await gone
  }
}

const javaFlags = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn']

interface Shape {
  readonly folder: string
  readonly port: number
  readonly controllerPort: number
  readonly extra: readonly (ExtraListener & { readonly port: number })[]
  readonly properties: Readonly<Record<string, string>>
}

function serverProperties({ folder, port, controllerPort, extra, properties }: Shape): string {
  const addresses = [`PLAINTEXT://127.0.0.1:${port}`, ...extra.map((one) => `${one.name}://127.0.0.1:${one.port}`)]
  const protocols = [
    'PLAINTEXT:PLAINTEXT',
    'CONTROLLER:PLAINTEXT',
    ...extra.map((one) => `${one.name}:${one.protocol}`),
  ]
  const rows: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: [...addresses, `CONTROLLER://127.0.0.1:${controllerPort}`].join(),
    'advertised.listeners': addresses.join(),
    'listener.security.protocol.map': protocols.join(),
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(folder, 'data'),
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    'group.initial.rebalance.delay.ms': '0',
    'num.partitions': '1',
    'auto.create.topics.enable': 'true',
    // After kill -9 the old registration has to expire before the broker may come back.
    'broker.session.timeout.ms': '1500',
    'broker.heartbeat.interval.ms': '300',
    // The default is a buffer as large as the whole heap.
    'log.cleaner.dedupe.buffer.size': '2097152',
  }
  for (const { name, properties } of extra) {
    for (const [key, value] of Object.entries(properties)) rows[`listener.name.${name.toLowerCase()}.${key}`] = value
  }
  const all = Object.entries({ ...rows, ...properties })
  return all.map(([key, value]) => `${key}=${value}\n`).join('')
}

async function format(install: string, config: string, scramUsers: Readonly<Record<string, string>>): Promise<void> {
  const scram = Object.entries(scramUsers).flatMap(([name, password]) =>
    ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((type) => ['-S', `${type}=[name=${name},password=${password}]`]),
  )
  const flags = ['-Xmx64m', ...javaFlags, '-cp', join(install, 'lib', '*'), 'kafka.tools.StorageTool', 'format']
  await run('java', [...flags, '--ignore-formatted', '-t', 'AAAAAAAAAAAAAAAAAAAAAA', '-c', config, ...scram])
}

async function keepArchive(from: string, to: string): Promise<void> {
  const beside = `${to}.${process.pid}`
  await copyFile(from, beside)
  await rename(beside, to)
}

/** The brokers of KAFKA_BROKERS, else one of our own; for suites that need nothing but a working Kafka. */
export async function useKafka(): Promise<{ readonly brokers: readonly string[]; stop(): Promise<void> }> {
  const given = process.env.KAFKA_BROKERS
  if (given === undefined || given === '') return startKafkaBroker()
  return { brokers: given.split(','), stop: async () => {} }
}
