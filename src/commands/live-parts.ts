import type { AgentPoller } from '../agent/poller.js'
import type { StatsdUdpSource } from '../inputs/statsd-udp.js'
import { applicationKey } from '../model/agent-state.js'
import type { Stage } from '../pipeline/stage.js'
import { createStreamWatch } from '../pipeline/stream-watch.js'
import type { Ledger } from '../telemetry/ledger.js'
import type { LiveNames } from '../telemetry/live-containers.js'
import type { Daemon } from './daemon.js'

/** Which stream tells the metric names where one process has several: the collector's has the agent's metrics too. */
const priorities = { collector: 2, 'statsd-proxy': 1, consume: 0 } as const

/** Puts a proxy into the live picture. Returns the stage that looks at what passes. */
export function showProxy(
  { live, counters, clock }: Daemon,
  proxy: {
    readonly ledger: Ledger
    readonly statsd: StatsdUdpSource
    readonly poller: AgentPoller | undefined
    /** Where containers are announced. */
    readonly isolator: string
    /** `HOST:PORT`; undefined where nothing is sent to one. */
    readonly collector: string | undefined
    /** `HOST:PORT` of another StatsD server; undefined where nothing is sent to one. */
    readonly statsdServer: string | undefined
  },
): Stage {
  const { ledger, statsd, poller, isolator, collector, statsdServer } = proxy
  const names = agentNames(poller)
  live.nameBy(names)
  live.addNode({ id: 'containers', title: 'containers', detail: 'StatsD by UDP' })
  live.addNode({ id: 'statsd-proxy', title: 'statsd-proxy', detail: isolator, hop: 'statsd-proxy' })
  live.addArrow('containers', 'statsd-proxy', () => ledger.received)
  if (collector !== undefined) {
    live.addNode({ id: 'collector', title: 'collector', detail: collector })
    live.addArrow('statsd-proxy', 'collector', () => ledger.forwarded)
  }
  if (statsdServer !== undefined) {
    live.addNode({ id: 'statsd-out', title: 'StatsD server', detail: statsdServer })
    live.addArrow('statsd-proxy', 'statsd-out', () => counters.value('proxy.statsd_out_rows'))
  }
  live.readContainersFrom(function* () {
    for (const figures of statsd.figures()) {
      yield { ...figures, kernelDrops: counters.value('proxy.kernel_drops', figures.containerId) }
    }
  })
  const watch = createStreamWatch({ clock, random: Math.random, names })
  live.addStream(watch, priorities['statsd-proxy'])
  return watch.stage
}

/** Puts a collector into the live picture. Returns the stage that looks at what passes. */
export function showCollector(
  { live, counters, clock }: Daemon,
  collector: {
    readonly ledger: Ledger
    readonly poller: AgentPoller | undefined
    readonly agentUrl: string | undefined
    /** Where it listens. */
    readonly address: string
    /** Of a bus: which. */
    readonly bus: string
  },
): Stage {
  const { ledger, poller, agentUrl, address, bus } = collector
  const names = agentNames(poller)
  live.addNode({ id: 'collector', title: 'collector', detail: address, hop: 'collector' })
  const polled = () => counters.value('collector.agent_poll.metrics_values')
  live.addNode({ id: 'senders', title: 'Avro senders', detail: 'proxies, others' })
  live.addArrow('senders', 'collector', () => ledger.received - polled(), 'statsd-proxy')
  if (poller !== undefined) {
    live.addNode({ id: 'agent', title: 'Mesos agent', ...(agentUrl !== undefined && { detail: agentUrl }) })
    live.addArrow('agent', 'collector', polled)
  }
  live.addNode({ id: 'bus', title: 'bus', detail: bus })
  live.addArrow('collector', 'bus', () => ledger.forwarded)
  const watch = createStreamWatch({ clock, random: Math.random, names })
  live.addStream(watch, priorities.collector)
  return watch.stage
}

/** Puts a consumer into the live picture: an arrow for each sink, with the account that it has. */
export function showConsume(
  { live, clock }: Daemon,
  consume: {
    readonly ledger: Ledger
    readonly bus: string
    readonly sinks: readonly { readonly name: string; readonly ledger: Ledger }[]
  },
): Stage {
  const { ledger, bus, sinks } = consume
  live.addNode({ id: 'bus', title: 'bus', detail: bus })
  live.addNode({ id: 'consume', title: 'consume', hop: 'consume', ...(ledger.group && { detail: ledger.group }) })
  live.addArrow('bus', 'consume', () => ledger.received)
  for (const { name, ledger: own } of sinks) {
    live.addNode({ id: `sink ${name}`, title: name, ...(own !== ledger && { hop: own.hop }) })
    live.addArrow('consume', `sink ${name}`, () => own.forwarded)
  }
  const watch = createStreamWatch({ clock, random: Math.random })
  live.addStream(watch, priorities.consume)
  return watch.stage
}

function agentNames(poller: AgentPoller | undefined): LiveNames {
  return {
    framework: (frameworkId) => poller?.state().frameworkNames.get(frameworkId),
    application: (frameworkId, executorId) =>
      poller?.state().applicationNames.get(applicationKey(frameworkId, executorId)),
  }
}
