import { createBackoff } from '../platform/backoff.js'
import { type Clock, systemClock } from '../platform/clock.js'
import { ExitCode, messageOf, StatsError } from '../platform/errors.js'
import { defaultLeaseMs } from '../platform/heartbeats.js'
import type { Counters } from '../telemetry/counters.js'
import type { Log } from '../telemetry/log.js'
import type { Bus, OnBatch, OutgoingMessage, PartitionLag, Subscription } from './bus.js'
import type { BatchLimits } from './embedded-batch.js'
import { Consumer } from './embedded-consumer.js'
import { Replay } from './embedded-replay.js'
import { type SharedDir, shareDir } from './embedded-shared.js'
import { checkPublish } from './embedded-writer.js'

export interface EmbeddedBusOptions {
  /** Made where it is missing; shared by all processes that use the same. */
  readonly dir: string
  readonly log: Log
  readonly counters: Counters
  /** Then the oldest messages go, over all topics; absent: never. In MiB (2^20 bytes). */
  readonly retentionMbytes?: number | undefined
  readonly retentionMs?: number | undefined
  /** What `onBatch` gets at once. */
  readonly batchLimits?: Partial<BatchLimits> | undefined
  /** How long a member of a group may show no sign of life before others take its share; 10,000 unless given. */
  readonly leaseMs?: number | undefined
  readonly clock?: Clock | undefined
  readonly random?: (() => number) | undefined
}

const defaultLimits: BatchLimits = { messages: 500, bytes: 8 * 1024 * 1024 }
const longestTrimPeriodMs = 60_000

/**
 * The bus in a directory of this machine, files of messages with an index on LMDB: for a node without Kafka, and for several
 * processes at once.
 *
 * - `publish` resolves when the messages are on disk (fdatasync before the commit becomes visible): they survive the end of
 *   the process in any way and a power failure. Publishes that wait share one write. It rejects with DS_BUS_FULL or
 *   DS_BUS_WRITE_FAILED, which may be tried again and left nothing behind, or for good with DS_BUS_TOPIC_INVALID and
 *   DS_BUS_MESSAGE_TOO_LARGE.
 * - `subscribe` shares the partitions of a topic (8) among the members of a group; a member that dies is replaced in about a second.
 * - All processes must be on one machine and, where they run in containers, in one pid namespace, as LMDB asks for.
 */
export function createEmbeddedBus(options: EmbeddedBusOptions): Bus {
  const { dir, log, counters, retentionMbytes, retentionMs, clock = systemClock, random = Math.random } = options
  const limits = { ...defaultLimits, ...options.batchLimits }
  const consumers = new Set<Consumer | Replay>()
  let shared: SharedDir | undefined
  let stopTrimming: (() => void) | undefined

  return { name: 'embedded', open, publish, subscribe, lag, close }

  async function open(signal: AbortSignal): Promise<void> {
    shared ??= await waitForDir(signal)
    if (shared === undefined) return
    if (retentionMbytes === undefined && retentionMs === undefined) return
    const { writer } = shared
    writer.retention = { bytes: retentionMbytes && retentionMbytes * 1024 * 1024, ageMs: retentionMs }
    if (retentionMs === undefined) return
    stopTrimming = clock.every(Math.min(longestTrimPeriodMs, retentionMs / 4), () => {
      writer
        .trim()
        .catch((error) => log.warn({ cause: messageOf(error) }, 'embedded bus: could not remove old messages'))
    })
  }

  async function publish(topic: string, messages: readonly OutgoingMessage[]): Promise<void> {
    checkPublish(topic, messages)
    await opened().writer.append(topic, messages)
  }

  async function subscribe(subscription: Subscription, onBatch: OnBatch, signal: AbortSignal): Promise<void> {
    checkGroup(subscription.group)
    const parts = { ...opened(), clock, log, counters, random, limits }
    const consumer = subscription.replay
      ? new Replay(parts, subscription, onBatch, signal)
      : new Consumer(parts, subscription, onBatch, signal)
    consumers.add(consumer)
    try {
      await consumer.run()
    } finally {
      consumers.delete(consumer)
    }
  }

  function lag(): readonly PartitionLag[] {
    return [...consumers].flatMap((consumer) => consumer.lag())
  }

  async function close(): Promise<void> {
    stopTrimming?.()
    const closing = shared
    shared = undefined
    await closing?.release()
  }

  // A full disk can get room again; what can never work has an exit code.
  async function waitForDir(signal: AbortSignal): Promise<SharedDir | undefined> {
    const backoff = createBackoff({ firstMs: 500, maxMs: 15_000, random })
    while (!signal.aborted) {
      try {
        return await shareDir({ dir, clock, log, leaseMs: options.leaseMs ?? defaultLeaseMs })
      } catch (error) {
        if (!(error instanceof StatsError) || error.exitCode !== undefined) throw error
        const waitMs = Math.round(backoff.nextMs())
        log.warn({ dir, waitMs, cause: error.message }, 'embedded bus: could not open its directory, trying again')
        await clock.sleep(waitMs, signal)
      }
    }
    return undefined
  }

  function opened(): SharedDir {
    if (shared === undefined) throw new StatsError('DS_BUS_CLOSED', 'The embedded bus has not been opened.')
    return shared
  }
}

function checkGroup(group: string): void {
  if (/^[^\0]{1,249}$/u.test(group)) return
  throw new StatsError(
    'DS_BUS_CONFIG',
    `"${group}" cannot be a group: expected 1 to 249 characters. Check --group-id.`,
    {
      exitCode: ExitCode.config,
    },
  )
}
