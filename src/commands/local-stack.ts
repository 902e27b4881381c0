import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type SimulatedAgent, startSimulatedAgent } from '../agent/simulated-agent.js'
import type { Bus } from '../bus/bus.js'
import type { HostPort } from '../options/address.js'
import type { localStackOptions } from '../options/local-stack.js'
import type { Parsed } from '../options/option.js'
import { createStatsdSender } from '../outputs/statsd-udp.js'
import type { Clock } from '../platform/clock.js'
import { freePortOr0 } from '../platform/free-port.js'
import { formatAddress } from '../platform/hosts.js'
import type { Ledger } from '../telemetry/ledger.js'
import { sendOwnMetrics } from '../telemetry/own-metrics.js'
import { runCollector } from './collector.js'
import type { CommandContext } from './command.js'
import { runConsume } from './consume.js'
import { type Daemon, logFormatOf, runDaemon } from './daemon.js'
import { announceContainer } from './isolator-client.js'
import { addOwnContainers, castOf, ownContainer, playApp, tryItContainer } from './stack-containers.js'
import { collectorOptionsFrom, consumeOptionsFrom, proxyOptionsFrom, type Role, startRole } from './stack-roles.js'
import { type RunningProxy, runProxy } from './statsd-proxy.js'

type Options = Parsed<typeof localStackOptions>

const HOST = '127.0.0.1'
/** The ports that a node would use; where one is taken, another is used and told. */
const PORTS = { agent: 5051, collector: 8124, statsd: 8125, lastStatsd: 8624, isolator: 8127, admin: 9100 } as const
const APP_PERIOD_MS = 1000
const OWN_METRICS_PERIOD_MS = 5000
/** How long the consumer may take to read the rest after the collector has ended. */
const CATCH_UP_MS = 10_000
const CATCH_UP_LOOK_MS = 20

type Consumer = Role & Pick<Bus, 'lag'>

/** What is cleaned up at the end, last come first. */
type CleanUp = (() => Promise<void>)[]

export function run(options: Options, context: CommandContext): Promise<void> {
  const usualAdmin = { host: HOST, port: PORTS.admin }
  return runDaemon('local-stack', { ...options, usualAdmin }, context, (daemon, ledgers) =>
    runStack(options, daemon, context, ledgers),
  )
}

/** Simulated agent and containers -> proxy -> collector -> bus -> consumer, all in this process. */
async function runStack(
  options: Options,
  daemon: Daemon,
  context: CommandContext,
  ledgers: readonly Ledger[],
): Promise<void> {
  const cleanUp: CleanUp = []
  const roles: Role[] = []
  try {
    await startStack(options, daemon, context, { roles, cleanUp, ledgers })
    await Promise.race([untilStopped(daemon, options.duration), ...roles.map(({ ended }) => ended)])
    daemon.log.info('stopping: containers first, then proxy, collector and consumer')
  } finally {
    // Who sends ends before who receives, so that everything on the way arrives.
    for (const end of cleanUp.reverse()) await end()
  }
}

async function startStack(
  options: Options,
  daemon: Daemon,
  context: CommandContext,
  { roles, cleanUp, ledgers }: { roles: Role[]; cleanUp: CleanUp; ledgers: readonly Ledger[] },
): Promise<void> {
  const { log, clock } = daemon
  const dir = await mkdtemp(join(tmpdir(), 'dcos-stats-'))
  cleanUp.push(() => rm(dir, { recursive: true, force: true }))
  const agent = options.agentUrl === undefined ? await startAgent(daemon, cleanUp) : undefined
  const agentUrl = options.agentUrl ?? agent?.url ?? ''
  const bus = busFlags(options, join(dir, 'bus'))

  const consumer = await startConsumer(options, daemon, context, bus)
  roles.push(consumer)
  cleanUp.push(() => consumer.stop())
  const collector = await startCollector(daemon, { ...bus, 'agent-url': agentUrl })
  roles.push(collector)
  cleanUp.push(async () => {
    await collector.stop()
    await catchUp(clock, () => isCaughtUp(options, ledgers, consumer))
  })
  const proxy = await startProxy(daemon, collector.address, {
    'agent-url': agentUrl,
    'state-path-dir': join(dir, 'state'),
  })
  roles.push(proxy)
  cleanUp.push(() => proxy.stop())

  const tryIt = await announceContainer(proxy.isolator, tryItContainer.containerId)
  cleanUp.push(await feedOwnMetrics(daemon, proxy.isolator))
  const containers: Record<string, string> = {}
  for (const { containerId, app } of agent ? castOf(agent) : []) {
    const endpoint = await announceContainer(proxy.isolator, containerId)
    cleanUp.push(playApp(app, endpoint, clock, APP_PERIOD_MS))
    containers[containerId] = formatAddress(endpoint)
  }
  tellTakenPorts(daemon, {
    // A port that somebody asked for is not replaced.
    adminPort: options.adminListen === undefined ? daemon.admin?.address.port : undefined,
    agent,
    collector: collector.address,
    isolator: proxy.isolator,
    tryIt,
  })
  const parts = {
    'mesos agent': agent ? `${agentUrl} (simulated)` : agentUrl,
    'statsd-proxy': `isolator API ${formatAddress(proxy.isolator)}`,
    collector: `Avro ${formatAddress(collector.address)}`,
    bus: options.kafkaBrokers.length > 0 ? `kafka ${options.kafkaBrokers.join(',')}` : `embedded ${bus['bus-dir']}`,
    consume: options.sink.join(', '),
    ...(daemon.admin && { 'live page': `http://${formatAddress(daemon.admin.address)}/` }),
  }
  const tryItLine = `echo 'hello:1|c|#who:me' | nc -u -w1 ${tryIt.host} ${tryIt.port}`
  if (logFormatOf(options, context) === 'pretty') context.stderr.write(renderBanner(parts, containers, tryItLine))
  else log.info({ parts, containers, tryIt: tryItLine }, 'running')
}

function renderBanner(parts: Record<string, string>, containers: Record<string, string>, tryIt: string): string {
  const rows = [
    ...Object.entries(parts),
    ...Object.entries(containers).map(([id, at]) => [`container ${id}`, `StatsD ${at}`]),
  ]
  const width = Math.max(...rows.map(([name = '']) => name.length))
  const lines = rows.map(([name = '', what = '']) => `  ${name.padEnd(width)}  ${what}`)
  return `\nRunning, all in this process (Ctrl-C ends it):\n${lines.join('\n')}\n\nTry it: ${tryIt}\n\n`
}

async function startAgent({ clock }: Daemon, cleanUp: CleanUp): Promise<SimulatedAgent> {
  const agent = await startSimulatedAgent({ host: HOST, port: await freePortOr0(HOST, PORTS.agent), clock })
  cleanUp.push(() => agent.close())
  addOwnContainers(agent)
  return agent
}

function busFlags({ kafkaBrokers, busDir }: Options, ownDir: string): Record<string, string> {
  if (kafkaBrokers.length > 0) return { bus: 'kafka', 'kafka-brokers': kafkaBrokers.join(',') }
  return { bus: 'embedded', 'bus-dir': busDir ?? ownDir }
}

async function startCollector(daemon: Daemon, flags: Record<string, string>): Promise<Role & { address: HostPort }> {
  const port = await freePortOr0(HOST, PORTS.collector)
  const options = await collectorOptionsFrom({
    ...flags,
    'listen-endpoint': `${HOST}:${port}`,
    'agent-poll-period': '2',
    'kafka-produce-period-ms': '200',
  })
  return new Promise((resolve, reject) => {
    const role = startRole(daemon, (own) => runCollector(options, own, (address) => resolve({ ...role, address })))
    role.ended.catch(reject)
  })
}

async function startProxy(
  daemon: Daemon,
  collector: HostPort,
  flags: Record<string, string>,
): Promise<Role & { isolator: HostPort }> {
  const isolatorPort = await freePortOr0(HOST, PORTS.isolator)
  const options = await proxyOptionsFrom({
    ...flags,
    'listen-host': HOST,
    // The first container gets the port that everybody knows.
    'listen-port-mode': 'range',
    'listen-port-start': String(PORTS.statsd),
    'listen-port-end': String(PORTS.lastStatsd),
    'isolator-listen': `${HOST}:${isolatorPort}`,
    'output-collector-ip': collector.host,
    'output-collector-port': String(collector.port),
    'output-collector-chunk-timeout-seconds': '0.5',
    'agent-poll-period': '2',
    'container-limit-period-secs': '10',
  })
  return new Promise((resolve, reject) => {
    const role = startRole(daemon, (own) => runProxy(options, own, started))
    role.ended.catch(reject)
    function started({ isolatorAddress }: RunningProxy) {
      if (isolatorAddress?.kind === 'tcp') resolve({ ...role, isolator: isolatorAddress })
    }
  })
}

async function startConsumer(
  options: Options,
  daemon: Daemon,
  { stdout, stdoutIsTerminal, stdoutColour }: CommandContext,
  bus: Record<string, string>,
): Promise<Consumer> {
  const reading = await consumeOptionsFrom({
    ...bus,
    // Everything on a bus that is only this run's; on another one, what comes from now on.
    from: isOwnBus(options) ? 'earliest' : 'latest',
    'group-id': `local-stack-${process.pid}`,
    'kafka-topic-poll-period-ms': '1000',
    'stats-print-period-ms': '0',
  })
  const format = options.format ?? (stdoutIsTerminal ? 'pretty' : 'json')
  // The bus is meant for all roles, and given to this one like to the others.
  const { kafkaBrokers, busDir } = reading
  const consumeOptions = { ...reading, ...options, kafkaBrokers, busDir, format }
  return new Promise((resolve, reject) => {
    const role = startRole(daemon, (own) =>
      runConsume(consumeOptions, own, { stdout, stdoutColour }, ({ lag }) => resolve({ ...role, lag })),
    )
    role.ended.catch(reject)
  })
}

/** The stack's own counters, as StatsD of a container of its own. */
async function feedOwnMetrics({ counters, clock, log }: Daemon, isolator: HostPort): Promise<() => Promise<void>> {
  const { host, port } = await announceContainer(isolator, ownContainer.containerId)
  const sender = createStatsdSender({ host, port, clock, log })
  const stop = sendOwnMetrics({ counters, clock, periodMs: OWN_METRICS_PERIOD_MS, idPrefix: '', send: sender.send })
  return async () => {
    stop()
    await sender.close()
  }
}

function tellTakenPorts(
  { log }: Daemon,
  used: {
    adminPort: number | undefined
    agent: SimulatedAgent | undefined
    collector: HostPort
    isolator: HostPort
    tryIt: HostPort
  },
): void {
  const parts: [string, number, number | undefined][] = [
    ['collector', PORTS.collector, used.collector.port],
    ['StatsD of the first container', PORTS.statsd, used.tryIt.port],
    ['isolator API', PORTS.isolator, used.isolator.port],
    ['live page', PORTS.admin, used.adminPort],
    ['simulated agent', PORTS.agent, used.agent && Number(new URL(used.agent.url).port)],
  ]
  for (const [part, standardPort, port] of parts) {
    if (port !== undefined && port !== standardPort)
      log.warn({ standardPort, port }, `port taken, another one is used: ${part}`)
  }
}

/** Waits until the consumer has read what the collector published, so that the ledgers of all hops meet. */
async function catchUp(clock: Clock, isCaughtUp: () => boolean): Promise<void> {
  const deadlineMs = clock.monotonicMs() + CATCH_UP_MS
  while (!isCaughtUp() && clock.monotonicMs() < deadlineMs) await clock.sleep(CATCH_UP_LOOK_MS)
}

/** On a bus that is only this run's the ledgers tell; on another one, that nothing is left to read. */
function isCaughtUp(options: Options, ledgers: readonly Ledger[], consumer: Consumer): boolean {
  if (!isOwnBus(options)) return consumer.lag().every(({ messages }) => messages === 0)
  return countOf(ledgers, 'consume', 'received') >= countOf(ledgers, 'collector', 'forwarded')
}

function isOwnBus({ busDir, kafkaBrokers }: Options): boolean {
  return busDir === undefined && kafkaBrokers.length === 0
}

function countOf(ledgers: readonly Ledger[], hop: string, what: 'received' | 'forwarded'): number {
  return ledgers.find((ledger) => ledger.hop === hop)?.[what] ?? 0
}

function untilStopped({ signal, clock }: Daemon, durationSeconds: number | undefined): Promise<void> {
  const duration = durationSeconds === undefined ? undefined : clock.sleep(durationSeconds * 1000, signal)
  if (duration !== undefined) return duration
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
