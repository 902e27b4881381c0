import type { AgentPoller } from '../agent/poller.js'
import { readDescriptorLimit } from '../containers/descriptor-limit.js'
import type { ContainerEndpoint } from '../containers/endpoint.js'
import type { Identities } from '../containers/identities.js'
import { createIsolatorApi, type IsolatorApi } from '../containers/isolator-api.js'
import type { PortMode } from '../containers/ports.js'
import { createRegistry, type Registry } from '../containers/registry.js'
import { createStateDir } from '../containers/state-dir.js'
import { createPredecessorSource } from '../inputs/predecessor.js'
import { createStatsdUdp, type StatsdUdpSource } from '../inputs/statsd-udp.js'
import type { Parsed } from '../options/option.js'
import type { statsdProxyOptions } from '../options/statsd-proxy.js'
import { createCollectorTcp } from '../outputs/collector-tcp.js'
import { createDiscardSink } from '../outputs/discard.js'
import { createPartingSink } from '../outputs/parting-sink.js'
import { createStatsdOutput, type StatsdOutput } from '../outputs/statsd-udp.js'
import { createDelivery, type Delivery } from '../pipeline/deliver.js'
import { runPipeline } from '../pipeline/pipeline.js'
import { createBackoff } from '../platform/backoff.js'
import { hurriedBy } from '../platform/clock.js'
import type { Successor } from '../platform/handle-passing.js'
import { formatAddress, type ListenAddress } from '../platform/hosts.js'
import { addressOfInterface } from '../platform/interfaces.js'
import { letOldGenerationGrow } from '../platform/old-generation.js'
import type { Ledger } from '../telemetry/ledger.js'
import { createPollerOf, pollingSource } from './agent-parts.js'
import type { CommandContext } from './command.js'
import { type Daemon, telemetryOf } from './daemon.js'
import { showProxy } from './live-parts.js'
import { createLeaving, type Leaving } from './statsd-proxy-leaving.js'
import { type InheritedProxy, runRestartable } from './statsd-proxy-restart.js'

/** Chunks that wait share a write up to this size. */
const WRITE_BYTES = 4 * 1024 * 1024
/** So do those that come within this time after a write. At the ten seconds that a chunk may take to fill, nobody notices. */
const GATHER_MS = 50
/** Nobody notices so much delay, and at 3,000 packets/s there are 96 to read when it is over, in place of three. */
const LULL_MS = 32

export type ProxyOptions = Parsed<typeof statsdProxyOptions>

/** What whoever runs a proxy learns when it runs. */
export interface RunningProxy {
  /** Undefined with --isolator-listen off. */
  readonly isolatorAddress: ListenAddress | undefined
  register(containerId: string): Promise<ContainerEndpoint | undefined>
  unregister(containerId: string): Promise<void>
  /** Gives a process that is ready all that the proxy has, which then drains and ends. Where it rejects, it goes on. */
  handOver(successor: Successor): Promise<void>
}

/** How a proxy differs from one that has a command line of its own and starts afresh. */
export interface ProxyParts {
  /** What the process before this one hands over. */
  readonly inherited?: InheritedProxy
  /** Who a container is, in place of what the agent says. */
  readonly identities?: Identities
  /** Whether nobody else lives in the process: then all of it may sleep for a moment while packets gather. */
  readonly alone?: boolean
}

export function run(options: ProxyOptions, context: CommandContext): Promise<number> {
  letOldGenerationGrow()
  return runRestartable(options, context, (daemon, parts, onRunning) =>
    runProxy(options, daemon, onRunning, { ...parts, alone: true }),
  )
}

/** StatsD of every container -> tags -> Avro to the collector, and StatsD to wherever it is wanted. */
export async function runProxy(
  options: ProxyOptions,
  daemon: Daemon,
  onRunning: (proxy: RunningProxy) => void = () => {},
  { inherited, identities, alone = false }: ProxyParts = {},
): Promise<void> {
  const { log, counters, clock, readiness } = daemon
  const ledger = daemon.openLedger('statsd-proxy')
  readiness.waiting('listening', 'not started yet')
  const descriptorLimit = await readDescriptorLimit()
  const poller = createPollerOf(options, daemon, { snapshot: false })
  const statsdOutput = options.outputStatsdEnabled ? createStatsdOutputOf(options, daemon, () => registry) : undefined
  const statsd = createStatsdUdp({
    ...statsdInputOptions(options, statsdOutput),
    ...(inherited && { inherited }),
    ...(alone && { lullMs: LULL_MS }),
    clock,
    telemetry: telemetryOf(daemon, ledger),
  })
  const known = identities ?? (poller && identitiesOf(poller, inherited?.containers))
  const registry = createRegistry({
    portMode: portModeOf(options),
    openSocket: statsd.open,
    ...(options.statePathDir !== '' && { stateDir: createStateDir({ path: options.statePathDir, log, counters }) }),
    ...(known && { identities: known }),
    log,
    counters,
    clock,
    ...(descriptorLimit !== undefined && { descriptorLimit }),
  })
  const startApi = (inherit?: InheritedProxy['takeServer']) => startIsolatorApi(options, registry, daemon, inherit)
  const leaving = createLeaving({ daemon, statsd, registry, startApi })
  const watch = showProxy(daemon, { ledger, statsd, poller, ...addressesOf(options) })

  try {
    await registry.recover(inherited?.containers)
    await leaving.openApi(inherited?.takeServer)
    inherited?.closeRest()
    if (poller) followAgent(poller, registry, daemon, options.agentPollPeriod * 1000)
    await runPipeline(
      {
        from: [
          statsd,
          ...(poller ? [pollingSource(poller)] : []),
          ...(inherited ? [createPredecessorSource(inherited, telemetryOf(daemon, ledger))] : []),
        ],
        through: [watch],
        to: [createCollectorDelivery(options, daemon, ledger, leaving, statsd)],
        ledger,
      },
      {
        ...daemon,
        signal: AbortSignal.any([daemon.signal, leaving.signal]),
        onStarted() {
          readiness.ready('listening')
          const { register, unregister } = registry
          onRunning({ isolatorAddress: leaving.apiAddress(), register, unregister, handOver: leaving.handOver })
        },
      },
    )
    await leaving.end()
  } finally {
    await leaving.closeApi()
    await registry.close()
    await statsdOutput?.close()
  }
}

/** Whom it talks to, as addresses. */
function addressesOf(options: ProxyOptions) {
  const { isolatorListen, outputCollectorIp, outputCollectorPort, outputStatsdHost, outputStatsdPort } = options
  const collector = formatAddress({ host: outputCollectorIp, port: outputCollectorPort })
  const statsdServer = formatAddress({ host: outputStatsdHost, port: outputStatsdPort })
  return {
    isolator: isolatorListen === 'off' ? 'no isolator API' : formatAddress(isolatorListen),
    collector: options.outputCollectorEnabled ? collector : undefined,
    statsdServer: options.outputStatsdEnabled ? statsdServer : undefined,
  }
}

function portModeOf({
  listenPortMode,
  listenPort = 0,
  listenPortStart = 0,
  listenPortEnd = 0,
}: ProxyOptions): PortMode {
  switch (listenPortMode) {
    case 'ephemeral':
      return { mode: 'ephemeral' }
    case 'single':
      return { mode: 'single', port: listenPort }
    case 'range':
      return { mode: 'range', startPort: listenPortStart, endPort: listenPortEnd }
  }
}

function statsdInputOptions(options: ProxyOptions, statsdOutput: StatsdOutput | undefined) {
  return {
    hosts: options.listenHost === undefined ? hostsOf(options.listenInterface) : [options.listenHost],
    rules: {
      malformed: options.malformed,
      rateScaling: options.rateScaling,
      nameLimitBytes: options.nameLimitBytes,
      tagLimitBytes: options.tagLimitBytes,
    },
    gaugeDeltas: options.gaugeDeltas,
    chunking: options.outputCollectorChunking,
    chunkSizeDatapoints: options.outputCollectorChunkSizeDatapoints,
    chunkTimeoutMs: options.outputCollectorChunkTimeoutSeconds * 1000,
    limitKbytes: options.containerLimitAmountKbytes,
    limitPeriodMs: options.containerLimitPeriodSecs * 1000,
    unknownHoldMs: options.unknownHoldMs,
    receiveBufferKbytes: options.receiveBufferKbytes,
    ...(statsdOutput && { onLine: statsdOutput.send }),
  }
}

function hostsOf(interfaceName: string): string[] {
  const { ipv4, ipv6 } = addressOfInterface(interfaceName)
  return [ipv4, ipv6].filter((address) => address !== undefined)
}

function createStatsdOutputOf(options: ProxyOptions, daemon: Daemon, registry: () => Registry): StatsdOutput {
  return createStatsdOutput({
    host: options.outputStatsdHost,
    port: options.outputStatsdPort,
    refreshMs: options.outputStatsdHostRefreshSeconds * 1000,
    annotationMode: options.outputStatsdAnnotationMode,
    chunkSizeBytes: options.outputStatsdChunking ? options.outputStatsdChunkSizeBytes : 0,
    unknownHoldMs: options.unknownHoldMs,
    ownerOf: (containerId) => registry().ownerOf(containerId),
    log: daemon.log,
    counters: daemon.counters,
    clock: daemon.clock,
  })
}

function createCollectorDelivery(
  options: ProxyOptions,
  { log, counters, clock }: Daemon,
  ledger: Ledger,
  leaving: Leaving,
  statsd: StatsdUdpSource,
): Delivery {
  const { outputCollectorEnabled, outputCollectorIp: host, outputCollectorPort: port } = options
  // With StatsD as the only output, its rows are sent on from the packet; the datapoints need not go anywhere.
  const sink = outputCollectorEnabled ? createCollectorTcp({ host, port, log, counters }) : createDiscardSink()
  return createDelivery({
    sink: createPartingSink(sink, leaving.giveLists),
    ledger,
    log,
    // Whoever takes over takes what waits too: then nobody has to wait any more.
    clock: hurriedBy(leaving.signal, clock),
    backoff: createBackoff({ firstMs: 1000, maxMs: 60_000 }),
    queue: {
      limitBytes: options.outputCollectorBufferKbytes * 1024,
      whenFull: 'drop_oldest',
      dropReason: 'collector_away',
    },
    // A write for each chunk could not follow a flood: many packets are read in the time that one write takes.
    mergeBytes: WRITE_BYTES,
    gatherMs: GATHER_MS,
    onSettled: statsd.release,
  })
}

/** @param told whom the process before this one knew: the agent may be away */
function identitiesOf(poller: AgentPoller, told: InheritedProxy['containers'] = []): Identities {
  const known = new Map(told.flatMap(({ identity }) => (identity ? [[identity.containerId, identity] as const] : [])))
  return {
    identify: (containerId) => poller.state().containers.get(containerId) ?? known.get(containerId),
    onIdentities: (callback) => poller.onState(callback),
    refresh: () => poller.refresh(),
  }
}

/**
 * Lets the registry forget what the agent no longer lists, once per poll at most: questions asked for a new
 * container come quickly one after the other, and an agent that restarts lists nothing for a while.
 */
function followAgent(poller: AgentPoller, registry: Registry, { clock, log }: Daemon, pollPeriodMs: number): void {
  let lastMs = Number.NEGATIVE_INFINITY
  poller.onState(({ containers }) => {
    if (clock.monotonicMs() - lastMs < pollPeriodMs / 2) return
    lastMs = clock.monotonicMs()
    registry
      .reconcile(containers.keys())
      .catch((cause) => log.warn({ cause: String(cause) }, 'endpoints were not compared with the agent'))
  })
}

async function startIsolatorApi(
  { isolatorListen, isolatorSocketMode }: ProxyOptions,
  registry: Registry,
  { log, counters }: Daemon,
  inherit: InheritedProxy['takeServer'] | undefined,
): Promise<IsolatorApi | undefined> {
  if (isolatorListen === 'off') return undefined
  const api = await createIsolatorApi({
    listen: isolatorListen,
    registry,
    log,
    counters,
    socketMode: isolatorSocketMode,
    replaceLive: inherit !== undefined,
    inherit,
  })
  log.info({ address: formatAddress(api.address) }, 'the isolator module can announce containers here')
  return api
}
