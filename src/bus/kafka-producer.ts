import kj, { type Producer } from 'kafkajs'
import type { Clock } from '../platform/clock.js'
import { messageOf, StatsError } from '../platform/errors.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import type { OutgoingMessage } from './bus.js'
import type { KafkaClient } from './kafka-client.js'
import { settledWithin, withDeadline } from './kafka-deadline.js'
import { isTooLarge, MessagesRefused, needsNewClient, topicError } from './kafka-errors.js'
import { createTopic, requireTopicName } from './kafka-topics.js'

/** Below Kafka's default `max.message.bytes` of 1048588, which limits a batch of messages, not only one. */
const maxBatchBytes = 900_000
/** What a record needs beside key and value, rounded up. */
const recordOverheadBytes = 32
const disconnectMs = 3_000

export interface KafkaProducer {
  publish(topic: string, messages: readonly OutgoingMessage[]): Promise<void>
  close(): Promise<void>
}

interface Session {
  readonly client: KafkaClient
  readonly producer: Producer
  readonly connected: Promise<void>
}

/** Publishes on one kafkajs producer at a time; where that fails in a way that puts it in doubt, on a new one. */
export function createKafkaProducer({
  newClient,
  compression,
  requireAllAcks,
  idempotent,
  createTopics,
  publishTimeoutMs,
  maxInFlightBytes,
  clock,
  telemetry: { log, counters },
}: {
  newClient: () => KafkaClient
  compression: number
  requireAllAcks: boolean
  idempotent: boolean
  createTopics: { readonly partitions: number; readonly replication: number } | undefined
  publishTimeoutMs: number
  maxInFlightBytes: number
  clock: Clock
  telemetry: Pick<Telemetry, 'log' | 'counters'>
}): KafkaProducer {
  const room = createRoom(idempotent ? 1 : maxInFlightBytes)
  const knownTopics = new Set<string>()
  let session: Session | undefined
  let closed = false

  return { publish, close }

  async function publish(topic: string, messages: readonly OutgoingMessage[]): Promise<void> {
    requireTopicName(topic)
    const refused: OutgoingMessage[] = []
    let cause: unknown
    for (const batch of batchesOf(messages)) {
      await sendOrHalve(topic, batch, (message, error) => {
        refused.push(message)
        cause ??= error
      })
    }
    if (refused.length === 0) return
    const bytes = Math.max(...refused.map((message) => message.bytes.length))
    const text = `Kafka refuses ${refused.length} of ${messages.length} messages for topic ${topic} as too large`
    const advice = 'raise max.message.bytes of the topic or lower --kafka-produce-kbytes'
    throw new MessagesRefused(`${text} (up to ${bytes} bytes): ${advice}.`, refused, cause)
  }

  // The broker's limit may be lower than ours, and it counts compressed bytes: only its answer tells.
  async function sendOrHalve(
    topic: string,
    batch: readonly OutgoingMessage[],
    refuse: (message: OutgoingMessage, error: unknown) => void,
  ): Promise<void> {
    try {
      await send(topic, batch)
    } catch (error) {
      if (!isTooLarge(error)) throw error
      if (batch.length === 1) return refuse(batch[0]!, error)
      const half = Math.ceil(batch.length / 2)
      await sendOrHalve(topic, batch.slice(0, half), refuse)
      await sendOrHalve(topic, batch.slice(half), refuse)
    }
  }

  async function send(topic: string, batch: readonly OutgoingMessage[]): Promise<void> {
    const leave = await room.enter(sizeOf(batch))
    session ??= openSession()
    const using = session
    try {
      const sent = using.connected.then(() => sendOn(using.producer, topic, batch))
      await withDeadline(clock, publishTimeoutMs, sent)
    } catch (error) {
      knownTopics.delete(topic)
      // An idempotent producer counts its messages; after a failure its count and the broker's may differ.
      if (needsNewClient(error) || (idempotent && !isTooLarge(error))) renew(using, error)
      throw topicError(error, topic)
    } finally {
      leave()
    }
  }

  async function sendOn(producer: Producer, topic: string, batch: readonly OutgoingMessage[]): Promise<void> {
    if (createTopics !== undefined && !knownTopics.has(topic)) await ensureTopic(topic, createTopics)
    await producer.send({
      topic,
      acks: requireAllAcks || idempotent ? -1 : 1,
      compression,
      messages: batch.map(({ key, bytes }) => ({ key: key === '' ? null : key, value: asBuffer(bytes) })),
    })
  }

  async function ensureTopic(topic: string, shape: { partitions: number; replication: number }): Promise<void> {
    const client = newClient()
    const admin = client.kafka.admin()
    try {
      await admin.connect()
      await createTopic(admin, topic, shape)
      knownTopics.add(topic)
    } finally {
      await admin.disconnect().catch(() => {})
      client.kill()
    }
  }

  function openSession(): Session {
    if (closed) throw new StatsError('DS_BUS_CLOSED', 'Kafka: the bus has been closed.')
    const client = newClient()
    const producer = client.kafka.producer({
      createPartitioner: kj.Partitioners.DefaultPartitioner,
      allowAutoTopicCreation: createTopics === undefined,
      idempotent,
      ...(idempotent && { maxInFlightRequests: 1 }),
      metadataMaxAge: 60_000,
    })
    counters.add('bus.sessions_opened')
    return { client, producer, connected: producer.connect() }
  }

  function renew(used: Session, error: unknown): void {
    if (session !== used) return
    session = undefined
    counters.add('bus.renewals')
    log.warn(
      { cause: messageOf(error) },
      'Kafka producer is replaced by a new one; what it had not sent is tried again',
    )
    // Without a farewell: what still waits on it is told at once, and comes again on the new one.
    used.client.kill()
    counters.add('bus.sessions_closed')
  }

  async function close(): Promise<void> {
    closed = true
    if (session === undefined) return
    await settledWithin(clock, disconnectMs, session.producer.disconnect())
    session.client.kill()
    counters.add('bus.sessions_closed')
  }
}

function* batchesOf(messages: readonly OutgoingMessage[]): Generator<OutgoingMessage[]> {
  let batch: OutgoingMessage[] = []
  let bytes = 0
  for (const message of messages) {
    const size = sizeOf([message])
    if (batch.length > 0 && bytes + size > maxBatchBytes) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(message)
    bytes += size
  }
  if (batch.length > 0) yield batch
}

function sizeOf(batch: readonly OutgoingMessage[]): number {
  let bytes = 0
  for (const message of batch) bytes += message.bytes.length + message.key.length + recordOverheadBytes
  return bytes
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

/** Lets callers in while what is inside is below `limitBytes`; at least one is always let in. kafkajs itself has no bound. */
function createRoom(limitBytes: number) {
  const waiting: (() => void)[] = []
  let insideBytes = 0
  return {
    async enter(bytes: number): Promise<() => void> {
      while (insideBytes > 0 && insideBytes + bytes > limitBytes) await new Promise<void>((go) => waiting.push(go))
      insideBytes += bytes
      return () => {
        insideBytes -= bytes
        for (const go of waiting.splice(0)) go()
      }
    },
  }
}
