import { randomUUID } from 'node:crypto'
import type { Clock } from '../platform/clock.js'
import type { StartFrom } from './bus.js'
import type { KafkaAdmin } from './kafka-admin.js'
import type { Placement } from './kafka-placement.js'
import { offsetsAt, partitionKey } from './kafka-positions.js'

/** Messages carry their producers' times, which differ a little: so far behind `to` an earlier one is still looked for. */
const clockSkewMs = 60_000
const lookMs = 250

/**
 * Reads a span of time without the group: under a group of its own that never stores a position, with the positions kept
 * here, so that they outlive a consumer that has to be renewed.
 */
export function createReplayPlacement({
  group,
  from,
  to,
  topics,
  admin,
  clock,
}: {
  group: string
  from: StartFrom
  to: { readonly timeMs: number } | undefined
  /** The topics there are now; one that appears later is read from its beginning. */
  topics: () => Promise<readonly string[]>
  admin: KafkaAdmin
  clock: Clock
}): Placement & { prepare(): Promise<void> } {
  const positions = new Map<string, bigint>()
  let ends: Map<string, bigint> | undefined

  return {
    group: `${group}-replay-${randomUUID().slice(0, 8)}`,
    prepare: async () => {
      for (const [key, offset] of await offsetsOfAll(from)) positions.set(key, offset)
    },
    needsStart: ({ topic, partition }) => positions.has(partitionKey(topic, partition)),
    select: (messages) => (to === undefined ? messages : messages.filter(({ timeMs }) => timeMs < to.timeMs)),
    async takeStarts(consumer, partitions) {
      for (const { topic, partition } of partitions) {
        consumer.seek({ topic, partition, offset: String(positions.get(partitionKey(topic, partition))) })
      }
    },
    async store(_payload, { topic, partition }, next) {
      positions.set(partitionKey(topic, partition), next)
    },
    positions: async () => positions,
    watchEnd,
  }

  function watchEnd(onEnd: () => void): () => void {
    if (to === undefined) return () => {}
    let looking = false
    return clock.every(lookMs, () => {
      if (looking || clock.nowMs() < to.timeMs) return
      looking = true
      hasEnded(to.timeMs)
        .then((ended) => ended && onEnd())
        // Kafka does not answer now: the next look will tell.
        .catch(() => {})
        .finally(() => {
          looking = false
        })
    })
  }

  async function hasEnded(toMs: number): Promise<boolean> {
    ends ??= await offsetsOfAll({ timeMs: toMs + clockSkewMs })
    for (const [key, end] of ends) if ((positions.get(key) ?? 0n) < end) return false
    return true
  }

  async function offsetsOfAll(at: StartFrom): Promise<Map<string, bigint>> {
    const offsets = new Map<string, bigint>()
    for (const topic of await topics()) {
      for (const { partition, offset } of await admin.ask((asked) => offsetsAt(asked, topic, at))) {
        offsets.set(partitionKey(topic, partition), BigInt(offset))
      }
    }
    return offsets
  }
}
