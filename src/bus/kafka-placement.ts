import type { Consumer, EachBatchPayload } from 'kafkajs'
import type { IncomingMessage } from './bus.js'
import type { KafkaAdmin } from './kafka-admin.js'
import { committedPositions, partitionKey, type StartPositions } from './kafka-positions.js'

export interface Partition {
  readonly topic: string
  readonly partition: number
}

/** Where a subscription begins, stores how far it is, and ends. */
export interface Placement {
  readonly group: string
  /** Partitions that kafkajs must not fetch before `takeStarts`; it begins the others at the group's position, else at their beginning. */
  needsStart(partition: Partition): boolean
  /** Seeks in partitions for which `needsStart` is true. */
  takeStarts(consumer: Consumer, partitions: readonly Partition[]): Promise<void>
  /** The messages of a batch that are wanted. */
  select(messages: readonly IncomingMessage[]): readonly IncomingMessage[]
  /** What has been handled: the partition goes on at `next`. */
  store(payload: EachBatchPayload, partition: Partition, next: bigint): Promise<void>
  /** How far these topics have been handled; a partition that has not been begun is left out. */
  positions(topics: readonly string[]): Promise<ReadonlyMap<string, bigint>>
  /** Calls back once there is nothing more to come; the returned function stops looking. */
  watchEnd(onEnd: () => void): () => void
}

/** Positions that the group keeps in Kafka; `starts` is what `from` means where nobody has used the group yet. */
export function createGroupPlacement(group: string, starts: StartPositions, admin: KafkaAdmin): Placement {
  const positions = (topics: readonly string[]) => admin.ask((asked) => committedPositions(asked, group, topics))
  return {
    group,
    positions,
    needsStart: ({ topic, partition }) => starts.has(partitionKey(topic, partition)),
    select: (messages) => messages,
    watchEnd: () => () => {},

    async takeStarts(consumer, partitions) {
      const committed = await positions([...new Set(partitions.map(({ topic }) => topic))])
      const missing = partitions
        .filter(({ topic, partition }) => !committed.has(partitionKey(topic, partition)))
        .map((one) => ({ ...one, offset: String(starts.get(partitionKey(one.topic, one.partition))) }))
      if (missing.length > 0) await consumer.commitOffsets(missing)
      for (const start of missing) consumer.seek(start)
    },

    async store({ commitOffsetsIfNecessary }, { topic, partition }, next) {
      await commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition, offset: String(next) }] }] })
    },
  }
}
