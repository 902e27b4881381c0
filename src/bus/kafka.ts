import { createBackoff } from '../platform/backoff.js'
import { systemClock } from '../platform/clock.js'
import { messageOf, StatsError } from '../platform/errors.js'
import type { Bus, OnBatch, OutgoingMessage, PartitionLag, Subscription } from './bus.js'
import { waitForBrokers } from './kafka-brokers.js'
import { type ClientSettings, createKafkaClient, readSasl, readTls } from './kafka-client.js'
import { registerKafkaCodecs, requireCompression } from './kafka-codecs.js'
import { consumeKafka } from './kafka-consumer.js'
import { createLagBook, type LagBook } from './kafka-lag.js'
import { createKafkaLog } from './kafka-log.js'
import { checkKafkaOptions, type KafkaOptions } from './kafka-options.js'
import { probeBroker } from './kafka-probe.js'
import { createKafkaProducer, type KafkaProducer } from './kafka-producer.js'

/**
 * The bus on a Kafka cluster, 0.11 and later.
 *
 * - `open` connects and logs in; what stands in the way is told within seconds, then it keeps trying. It rejects only
 *   where Kafka refused the login (exit code 69) or a file cannot be read (78).
 * - `publish` resolves when Kafka acknowledged. `MessagesRefused` (DS_BUS_MESSAGE_TOO_LARGE) and DS_BUS_TOPIC_INVALID are
 *   for good; anything else without an exit code may be tried again.
 * - `subscribe` goes on through restarts of brokers, rebalances and new topics; it rejects with exit code 69 where Kafka
 *   refuses the group or a message cannot be read by this program.
 *
 * @throws StatsError with exit code 78 for options that can never work
 */
export function createKafkaBus(options: KafkaOptions): Bus {
  checkKafkaOptions(options)
  const compression = requireCompression(options.compression ?? 'snappy')
  registerKafkaCodecs()
  const { telemetry, clock = systemClock, random = Math.random } = options
  const lagBooks = new Set<LagBook>()
  const closing = new AbortController()
  let settings: ClientSettings | undefined
  let producer: KafkaProducer | undefined
  let lastBrokers: readonly string[] = []

  return { name: 'kafka', open, publish, subscribe, lag, close }

  async function open(signal: AbortSignal): Promise<void> {
    settings = await readSettings(options)
    const backoff = createPause()
    while (!signal.aborted) {
      const brokers = await currentBrokers(signal)
      const failure = await connectToAny(brokers, settings, signal)
      if (failure === undefined || signal.aborted) return
      const waitMs = Math.round(backoff.nextMs())
      telemetry.counters.add('bus.connection_failures')
      telemetry.log.warn({ brokers, waitMs }, failure)
      await clock.sleep(waitMs, signal)
    }
  }

  async function publish(topic: string, messages: readonly OutgoingMessage[]): Promise<void> {
    producer ??= createKafkaProducer({
      newClient,
      compression,
      requireAllAcks: options.requireAllAcks ?? false,
      idempotent: options.idempotent ?? false,
      createTopics: options.createTopics,
      publishTimeoutMs: options.publishTimeoutMs ?? 60_000,
      maxInFlightBytes: options.maxInFlightBytes ?? 32 * 1024 * 1024,
      clock,
      telemetry,
    })
    await producer.publish(topic, messages)
  }

  async function subscribe(subscription: Subscription, onBatch: OnBatch, signal: AbortSignal): Promise<void> {
    const lagBook = createLagBook()
    lagBooks.add(lagBook)
    try {
      await consumeKafka({
        subscription,
        onBatch,
        signal,
        newClient,
        settings: options.consumer ?? {},
        topicPollPeriodMs: options.topicPollPeriodMs ?? 60_000,
        lagBook,
        clock,
        random,
        telemetry,
      })
    } finally {
      lagBooks.delete(lagBook)
    }
  }

  function lag(): readonly PartitionLag[] {
    return [...lagBooks].flatMap((book) => book.read())
  }

  async function close(): Promise<void> {
    closing.abort()
    await producer?.close()
  }

  function newClient() {
    if (settings === undefined) throw new StatsError('DS_BUS_CLOSED', 'Kafka: the bus has not been opened.')
    return createKafkaClient(settings, () => currentBrokers(closing.signal))
  }

  function createPause() {
    const maxMs = options.retryPauseMs ?? 15_000
    return createBackoff({ firstMs: Math.min(500, maxMs), maxMs, random })
  }

  // Brokers of a framework move: each new connection asks again, and falls back on what it was told before.
  async function currentBrokers(signal: AbortSignal): Promise<readonly string[]> {
    if (!('framework' in options.brokers)) return options.brokers
    const found = await waitForBrokers(options.brokers, telemetry, signal, { clock, backoff: createPause() })
    if (found.length > 0) lastBrokers = found
    return lastBrokers
  }
}

async function readSettings(options: KafkaOptions): Promise<ClientSettings> {
  return {
    clientId: options.clientId ?? 'dcos-stats',
    ssl: options.tls && (await readTls(options.tls)),
    sasl: options.sasl && (await readSasl(options.sasl)),
    logCreator: createKafkaLog({ telemetry: options.telemetry, clock: options.clock }),
    requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
  }
}

/** @returns why none of the brokers can be used; undefined as soon as one can. @throws where a login was refused */
async function connectToAny(
  brokers: readonly string[],
  settings: ClientSettings,
  signal: AbortSignal,
): Promise<string | undefined> {
  const connected = new AbortController()
  const either = AbortSignal.any([signal, connected.signal])
  try {
    await Promise.any(brokers.map((broker) => probeBroker(broker, settings, either)))
    return undefined
  } catch (error) {
    const failures = error instanceof AggregateError ? error.errors : [error]
    const refused = failures.find((failure) => failure instanceof StatsError && failure.exitCode !== undefined)
    if (refused !== undefined) throw refused
    return failures.map(messageOf).join(' ')
  } finally {
    connected.abort()
  }
}
