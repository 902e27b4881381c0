import type { Admin } from 'kafkajs'
import type { StartFrom } from './bus.js'

/** Where partitions begin that the group has no position for; every other one is read from its beginning. */
export type StartPositions = ReadonlyMap<string, bigint>

export function partitionKey(topic: string, partition: number): string {
  return `${topic}\n${partition}`
}

/**
 * The start of a group that nobody has used yet: the offsets that `from` means right now for every partition there is. They
 * become the group's own positions before the first message, so that what arrives while the group is down is read, and
 * so that a topic without a position can only be one that was made later: that one is read from its beginning.
 *
 * A group that has a position anywhere is not new; it gets an empty map.
 */
export async function startPositions(
  admin: Admin,
  group: string,
  topics: readonly string[],
  from: StartFrom,
): Promise<StartPositions> {
  if (from === 'earliest' || (await hasPositions(admin, group))) return new Map()
  const starts = new Map<string, bigint>()
  for (const topic of topics) {
    for (const { partition, offset } of await offsetsAt(admin, topic, from)) {
      starts.set(partitionKey(topic, partition), BigInt(offset))
    }
  }
  return starts
}

/** The positions that the group has committed in these topics; a partition without one is left out. */
export async function committedPositions(
  admin: Admin,
  group: string,
  topics: readonly string[],
): Promise<Map<string, bigint>> {
  const positions = new Map<string, bigint>()
  // An empty list would ask for all topics of the group.
  if (topics.length === 0) return positions
  for (const { topic, partitions } of await admin.fetchOffsets({ groupId: group, topics: [...topics] })) {
    for (const { partition, offset } of partitions) {
      if (BigInt(offset) >= 0n) positions.set(partitionKey(topic, partition), BigInt(offset))
    }
  }
  return positions
}

/** Offsets of the first message at or after a time, or of the next message to come. */
export async function offsetsAt(admin: Admin, topic: string, from: StartFrom) {
  if (from === 'earliest') {
    return (await admin.fetchTopicOffsets(topic)).map(({ partition, low }) => ({ partition, offset: low }))
  }
  if (from === 'latest') {
    return (await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => ({ partition, offset: high }))
  }
  return admin.fetchTopicOffsetsByTimestamp(topic, from.timeMs)
}

async function hasPositions(admin: Admin, group: string): Promise<boolean> {
  const offsets = await admin.fetchOffsets({ groupId: group })
  return offsets.some(({ partitions }) => partitions.some(({ offset }) => BigInt(offset) >= 0n))
}
