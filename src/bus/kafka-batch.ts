import type { Batch, EachBatchPayload, KafkaMessage } from 'kafkajs'
import { createBackoff } from '../platform/backoff.js'
import type { Clock } from '../platform/clock.js'
import { messageOf, StatsError } from '../platform/errors.js'
import type { Log } from '../telemetry/log.js'
import type { IncomingMessage, OnBatch } from './bus.js'
import { kafkaTypeOf } from './kafka-errors.js'

export interface BatchHandling {
  readonly onBatch: OnBatch
  readonly signal: AbortSignal
  readonly maxBatchMessages: number
  readonly heartbeatIntervalMs: number
  /** The messages of a part that `onBatch` is to get; it is not called for none. */
  readonly select: (messages: readonly IncomingMessage[]) => readonly IncomingMessage[]
  /** Stores that everything before `nextOffset` has been handled. */
  readonly store: (nextOffset: bigint) => Promise<void>
  /** Ends the subscription with this error. */
  readonly fail: (error: StatsError) => void
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
}

/**
 * Hands one fetched batch on, in parts of at most `maxBatchMessages`, and moves the position behind each part once it has been
 * taken. Meanwhile the group is told that this member lives, however long `onBatch` takes; a rebalance waits for the
 * part that is being handled, so that its position can still be stored.
 *
 * A part that is rejected comes again after a while, for as long as the partition is this member's.
 */
export async function handleBatch(payload: EachBatchPayload, handling: BatchHandling): Promise<void> {
  const { batch } = payload
  const heart = startHeartbeat(payload, handling)
  try {
    for (const { messages, lastOffset } of partsOf(batch, handling.maxBatchMessages)) {
      if (handling.signal.aborted || !payload.isRunning() || payload.isStale()) return
      const wanted = handling.select(messages)
      if (wanted.length > 0) await deliver(wanted, payload, handling, heart)
      payload.resolveOffset(String(lastOffset))
      await handling.store(lastOffset + 1n)
      // Now, not after the whole batch: the others of the group are waiting.
      if (heart.rebalance !== undefined) throw heart.rebalance
    }
  } finally {
    heart.stop()
  }
}

interface Heart {
  /** kafkajs' error that says so, once the group wants to divide its partitions anew. */
  readonly rebalance: unknown
  stop(): void
}

function startHeartbeat(payload: EachBatchPayload, { clock, heartbeatIntervalMs }: BatchHandling): Heart {
  let rebalance: unknown
  const stop = clock.every(heartbeatIntervalMs, () => {
    payload.heartbeat().catch((error: unknown) => {
      if (rebalanceTypes.includes(kafkaTypeOf(error))) rebalance = error
    })
  })
  return {
    get rebalance() {
      return rebalance
    },
    stop,
  }
}

const rebalanceTypes = ['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID']

async function deliver(
  messages: readonly IncomingMessage[],
  payload: EachBatchPayload,
  { onBatch, signal, fail, clock, random, log }: BatchHandling,
  heart: Heart,
): Promise<void> {
  const backoff = createBackoff({ firstMs: 200, maxMs: 10_000, random })
  for (;;) {
    try {
      return await onBatch(messages, signal)
    } catch (error) {
      const hopeless = error instanceof StatsError && error.exitCode !== undefined
      if (hopeless) fail(error)
      if (hopeless || signal.aborted || !payload.isRunning()) throw error
      if (heart.rebalance !== undefined) throw heart.rebalance
      const waitMs = Math.round(backoff.nextMs())
      const { topic, partition, offset } = messages[0]!
      log.warn({ topic, partition, offset: String(offset), waitMs }, `Messages come again: ${messageOf(error)}`)
      await clock.sleep(waitMs, signal)
    }
  }
}

function* partsOf(batch: Batch, maxMessages: number): Generator<{ messages: IncomingMessage[]; lastOffset: bigint }> {
  for (let at = 0; at < batch.messages.length; at += maxMessages) {
    const part = batch.messages.slice(at, at + maxMessages)
    // Behind the last message there may be offsets without messages (compaction, transactions).
    const lastOffset = at + maxMessages < batch.messages.length ? part.at(-1)!.offset : batch.lastOffset()
    yield { messages: part.map((message) => incoming(batch, message)), lastOffset: BigInt(lastOffset) }
  }
}

function incoming({ topic, partition }: Batch, { key, value, offset, timestamp }: KafkaMessage): IncomingMessage {
  return {
    topic,
    partition,
    offset: BigInt(offset),
    timeMs: Number(timestamp),
    key: key?.toString() ?? '',
    bytes: value ?? Buffer.alloc(0),
  }
}
