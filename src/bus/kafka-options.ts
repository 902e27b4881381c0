import type { Clock } from '../platform/clock.js'
import { ExitCode, StatsError } from '../platform/errors.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import type { BrokerLookup } from './kafka-brokers.js'

export type KafkaCompression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** PEM files; all of them may be left out where the broker's certificate is signed by a well-known authority. */
export interface KafkaTls {
  readonly caFile?: string | undefined
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
  readonly keyPassphrase?: string | undefined
  /** Name that the broker's certificate must carry where it is not the host's name. */
  readonly serverName?: string | undefined
}

export type KafkaSasl =
  | {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
      readonly username: string
      readonly password: string
    }
  /** The file is read anew for each connection, so that whoever renews the token only has to replace the file. */
  | { readonly mechanism: 'oauthbearer'; readonly tokenFile: string }

/** Kafka's consumer properties that have a counterpart in kafkajs, with the defaults of this driver. */
export interface KafkaConsumerSettings {
  /** session.timeout.ms, 10000: how long a dead member keeps its partitions. */
  readonly sessionTimeoutMs?: number | undefined
  /** max.poll.interval.ms (rebalance timeout), 60000: how long a slow batch may hold up a rebalance. */
  readonly rebalanceTimeoutMs?: number | undefined
  /** heartbeat.interval.ms, 1000: also how soon a member notices that another one came or went. */
  readonly heartbeatIntervalMs?: number | undefined
  /** fetch.max.bytes, 10 MiB. */
  readonly maxBytes?: number | undefined
  /** max.partition.fetch.bytes, 1 MiB. */
  readonly maxBytesPerPartition?: number | undefined
  /** fetch.min.bytes, 1. */
  readonly minBytes?: number | undefined
  /** fetch.max.wait.ms, 500. */
  readonly maxWaitMs?: number | undefined
  /** max.poll.records, 1000: messages handed over (and committed) at once. */
  readonly maxBatchMessages?: number | undefined
  /** A consumer without any sign of life for so long, beyond the rebalance timeout, is renewed; 60000. */
  readonly watchdogMs?: number | undefined
}

export interface KafkaOptions {
  /** `host:port` of some brokers of the cluster, or how to find them. */
  readonly brokers: readonly string[] | BrokerLookup
  readonly telemetry: Pick<Telemetry, 'log' | 'counters'>
  /** What the brokers' logs and quotas call this program; dcos-stats. */
  readonly clientId?: string | undefined
  readonly tls?: KafkaTls | undefined
  readonly sasl?: KafkaSasl | undefined
  /** snappy unless given. */
  readonly compression?: KafkaCompression | undefined
  /** Wait for all in-sync replicas instead of the partition's leader alone. */
  readonly requireAllAcks?: boolean | undefined
  /** No message is stored twice while a connection is repeated; implies `requireAllAcks`. */
  readonly idempotent?: boolean | undefined
  /** Creates missing topics so; without it the broker creates them as it is set up to. */
  readonly createTopics?: { readonly partitions: number; readonly replication: number } | undefined
  /** How often topics are looked up; 60000. */
  readonly topicPollPeriodMs?: number | undefined
  readonly consumer?: KafkaConsumerSettings | undefined
  /** A publish that is not acknowledged for so long rejects, and the client is renewed; 60000. */
  readonly publishTimeoutMs?: number | undefined
  /** One request; 30000. */
  readonly requestTimeoutMs?: number | undefined
  /** The longest pause before brokers that cannot be found or reached are tried again; 15000. The first ones are shorter. */
  readonly retryPauseMs?: number | undefined
  /** Bytes handed to the client and not acknowledged, before `publish` waits; 32 MiB. */
  readonly maxInFlightBytes?: number | undefined
  readonly clock?: Clock | undefined
  readonly random?: (() => number) | undefined
}

/** Reports mistakes that can be told without a broker. @throws StatsError with exit code 78 */
export function checkKafkaOptions(options: KafkaOptions): void {
  if ('framework' in options.brokers) return
  if (options.brokers.length === 0) throw misuse('expected at least one host:port in --kafka-brokers, got none')
  for (const broker of options.brokers) requireAddress(broker)
  if (options.tls !== undefined && (options.tls.certFile === undefined) !== (options.tls.keyFile === undefined)) {
    throw misuse('--kafka-tls-cert-file and --kafka-tls-key-file belong together; give both or none')
  }
}

// kafkajs splits an address at its colons and takes the first two parts, so an IPv6 literal cannot reach it whole.
function requireAddress(broker: string): void {
  const port = Number(/^[^:\s]+:(\d{1,5})$/.exec(broker)?.[1])
  if (port >= 1 && port <= 65_535) return
  throw misuse(`expected host:port (a name or an IPv4 address) in --kafka-brokers, got "${broker}"`)
}

function misuse(message: string): StatsError {
  return new StatsError('DS_BUS_CONFIG', `Kafka: ${message}.`, { exitCode: ExitCode.config })
}
