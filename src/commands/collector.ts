import { createAvroTcp } from '../inputs/avro-tcp.js'
import { createMesosAgentSource } from '../inputs/mesos-agent.js'
import type { HostPort } from '../options/address.js'
import type { collectorOptions } from '../options/collector.js'
import type { Parsed } from '../options/option.js'
import { createStatsdSender } from '../outputs/statsd-udp.js'
import type { BatchFigures } from '../pipeline/deliver.js'
import { runPipeline } from '../pipeline/pipeline.js'
import { formatAddress } from '../platform/hosts.js'
import { createByteLimiter } from '../platform/limiter.js'
import type { Counters } from '../telemetry/counters.js'
import { sendOwnMetrics } from '../telemetry/own-metrics.js'
import { createPollerOf } from './agent-parts.js'
import { createBusDelivery } from './bus-delivery.js'
import { busNameOf } from './bus-parts.js'
import type { CommandContext } from './command.js'
import { type Daemon, runDaemon, telemetryOf } from './daemon.js'
import { showCollector } from './live-parts.js'

export type CollectorOptions = Parsed<typeof collectorOptions>

export function run(options: CollectorOptions, context: CommandContext): Promise<void> {
  return runDaemon('collector', options, context, (daemon) => runCollector(options, daemon))
}

/** Avro streams and the Mesos agent -> agent tags and topics -> the bus. */
export async function runCollector(
  options: CollectorOptions,
  daemon: Daemon,
  onListening: (address: HostPort) => void = () => {},
): Promise<void> {
  const { counters, clock, readiness, live } = daemon
  const ledger = daemon.openLedger('collector')
  readiness.waiting('listening', 'not started yet')
  const poller = createPollerOf(options, daemon, { snapshot: true, systemFile: options.agentTestSystemFile })
  const avroTcp = createAvroTcp({
    listen: options.listenEndpoint,
    clock,
    telemetry: telemetryOf(daemon, ledger),
    limitKbytes: options.inputLimitAmountKbytes,
    limitPeriodMs: options.inputLimitPeriod * 1000,
    recordLists: options.recordInputLog,
    recordHexdump: options.recordInputHexdump,
    onListening(address) {
      readiness.ready('listening')
      live.addNode({ id: 'collector', title: 'collector', detail: formatAddress(address), hop: 'collector' })
      onListening(address)
    },
  })
  const watch = showCollector(daemon, {
    ledger,
    poller,
    agentUrl: options.agentUrl,
    address: formatAddress(options.listenEndpoint),
    bus: busNameOf(options),
  })
  const stopOwnMetrics = startOwnMetrics(options, daemon)
  const limit = startGlobalLimit(options, daemon)
  try {
    await runPipeline(
      {
        from: [
          avroTcp,
          ...(poller
            ? [createMesosAgentSource({ poller, agentTopic: options.agentMetricsTopic, counters, ledger })]
            : []),
        ],
        through: [watch],
        to: [await createBusDelivery(options, daemon, { ledger, poller, admit: limit.admit })],
        ledger,
      },
      daemon,
    )
  } finally {
    limit.stop()
    await stopOwnMetrics()
  }
}

/** What all together may put on the bus: --global-limit-*. One line a period tells of it, where something was dropped. */
function startGlobalLimit(
  { globalLimitAmountKbytes, globalLimitPeriod }: CollectorOptions,
  { clock, log, counters }: Daemon,
): { admit: (batch: BatchFigures) => boolean; stop: () => void } {
  const limiter = createByteLimiter(globalLimitAmountKbytes * 1024)
  const stop = clock.every(globalLimitPeriod * 1000, () => {
    const { receivedBytes, throttledBytes } = limiter
    if (throttledBytes > 0) {
      const fields = { processedKbytes: kbytes(receivedBytes), droppedKbytes: kbytes(throttledBytes) }
      log.error(fields, 'more than --global-limit-amount-kbytes in a period: the rest was dropped')
    }
    limiter.reset()
  })
  function admit({ key, lists, bytes }: BatchFigures): boolean {
    const allowed = limiter.allow(bytes)
    countBatch(counters, allowed ? '' : '_throttled', { key, lists, bytes })
    return allowed
  }
  return { admit, stop }
}

// R78, R79: `records` are lists; each is counted as a total and by its topic on the bus.
function countBatch(counters: Counters, suffix: '' | '_throttled', { key, lists, bytes }: BatchFigures): void {
  for (const topic of [undefined, key]) {
    counters.add(`collector.topic_sorter.records${suffix}`, lists, topic)
    counters.add(`collector.topic_sorter.bytes${suffix}`, bytes, topic)
  }
}

function kbytes(bytes: number): number {
  return Math.round(bytes / 1024)
}

function startOwnMetrics(options: CollectorOptions, { counters, clock, log }: Daemon): () => Promise<void> {
  const { statsdUdpHost: host, statsdUdpPort: port, statsdPeriod } = options
  if (host === undefined || port === undefined) return async () => {}
  const sender = createStatsdSender({ host, port, log, clock })
  const stop = sendOwnMetrics({
    counters,
    clock,
    periodMs: statsdPeriod * 1000,
    idPrefix: 'collector.',
    send: sender.send,
  })
  return async () => {
    stop()
    await sender.close()
  }
}
