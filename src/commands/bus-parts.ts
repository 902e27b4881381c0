import type { Bus } from '../bus/bus.js'
import { createEmbeddedBus } from '../bus/embedded.js'
import { createNoBus } from '../bus/none.js'
import type { MetricList } from '../model/metric-list.js'
import type { collectorOptions } from '../options/collector.js'
import type { consumeOptions } from '../options/consume.js'
import type { Parsed } from '../options/option.js'
import { createBusSink } from '../outputs/bus.js'
import { recordingSink } from '../outputs/recording-sink.js'
import type { Sink } from '../outputs/sink.js'
import { Counters } from '../telemetry/counters.js'
import type { Daemon } from './daemon.js'
import { kafkaConnection } from './kafka-parts.js'

type CollectorOptions = Parsed<typeof collectorOptions>

const HOUR_MS = 3_600_000

/** Where the collector writes: Kafka, the embedded bus, or, with --bus none, the log. */
export async function createCollectorSink(
  options: CollectorOptions,
  daemon: Daemon,
  topicOf: (list: Pick<MetricList, 'topic'>) => string,
): Promise<Sink> {
  const { log } = daemon
  // With --bus none all is done that is done for a bus, but nothing counts as sent.
  const counters = options.bus === 'none' ? new Counters() : daemon.counters
  const sink = createBusSink({ bus: await createCollectorBus(options, daemon), topicOf, counters })
  const { recordOutputLog: lists, recordOutputHexdump: hexdump } = options
  return lists || hexdump ? recordingSink(sink, { log, lists, hexdump }) : sink
}

async function createCollectorBus(options: CollectorOptions, daemon: Daemon): Promise<Bus> {
  const { log, counters, clock } = daemon
  if (options.bus === 'none') return createNoBus({ log })
  if (options.bus === 'embedded') {
    return createEmbeddedBus({
      dir: options.busDir,
      log,
      counters,
      clock,
      retentionMbytes: options.busRetentionMbytes,
      retentionMs: options.busRetentionHours * HOUR_MS,
    })
  }
  // kafkajs is loaded only where there is a Kafka.
  const { createKafkaBus } = await import('../bus/kafka.js')
  const { tellingRepeats } = await import('../bus/produce-attempts.js')
  countAsKafkaOutput(daemon)
  const bus = createKafkaBus({
    ...kafkaConnection(options, options.kafkaFramework, daemon),
    compression: options.kafkaCompression,
    requireAllAcks: options.kafkaRequireAllAcks,
    idempotent: options.kafkaIdempotent,
    createTopics: createTopicsOf(options),
    retryPauseMs: options.kafkaFlushMs,
  })
  return tellingRepeats(bus)
}

/** Which bus it is, for people. */
export function busNameOf(
  options: Pick<CollectorOptions, 'bus' | 'busDir' | 'kafkaBrokers' | 'kafkaFramework'>,
): string {
  const { bus, busDir, kafkaBrokers, kafkaFramework } = options
  if (bus === 'embedded') return `embedded ${busDir}`
  if (bus === 'none') return 'none'
  return kafkaBrokers.length > 0 ? `Kafka ${kafkaBrokers.join(', ')}` : `Kafka of the framework ${kafkaFramework}`
}

function createTopicsOf({ kafkaCreateTopics, kafkaTopicPartitions, kafkaTopicReplication }: CollectorOptions) {
  return kafkaCreateTopics ? { partitions: kafkaTopicPartitions, replication: kafkaTopicReplication } : undefined
}

/** The names that the first collector had for what any user of Kafka counts here (R78). */
function countAsKafkaOutput({ counters }: Daemon): void {
  const names = ['connection_failures', 'sessions_opened', 'sessions_closed'] as const
  counters.onRead(() => {
    for (const name of names) counters.set(`collector.kafka_output.${name}`, counters.value(`bus.${name}`))
    counters.set('collector.kafka_output.framework_lookup_failures', counters.value('bus.lookup_failures'))
  })
}

/** What the consumer reads from. */
export async function createConsumerBus(options: Parsed<typeof consumeOptions>, daemon: Daemon): Promise<Bus> {
  const { log, counters, clock } = daemon
  if (options.bus === 'embedded') return createEmbeddedBus({ dir: options.busDir, log, counters, clock })
  const { createKafkaBus } = await import('../bus/kafka.js')
  return createKafkaBus({
    ...kafkaConnection(options, options.kafkaFrameworkName, daemon),
    topicPollPeriodMs: options.kafkaTopicPollPeriodMs,
    consumer: {
      sessionTimeoutMs: options.kafkaSessionTimeoutMs,
      rebalanceTimeoutMs: options.kafkaRebalanceTimeoutMs,
      heartbeatIntervalMs: options.kafkaHeartbeatIntervalMs,
      minBytes: options.kafkaFetchMinBytes,
      maxWaitMs: options.pollTimeoutMs,
      maxBytes: options.kafkaFetchMaxBytes,
      maxBytesPerPartition: options.kafkaPartitionFetchBytes,
      maxBatchMessages: options.kafkaMaxPollRecords,
    },
  })
}
