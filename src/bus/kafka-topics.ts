import type { Admin } from 'kafkajs'
import { StatsError } from '../platform/errors.js'
import { kafkaTypeOf } from './kafka-errors.js'

/** @throws StatsError DS_BUS_TOPIC_INVALID for a name that Kafka would refuse, before it is asked */
export function requireTopicName(topic: string): void {
  if (/^[a-zA-Z0-9._-]{1,249}$/.test(topic) && topic !== '.' && topic !== '..') return
  const shown = topic.length > 60 ? `${topic.slice(0, 60)}... (${topic.length} characters)` : topic
  const message = `Kafka takes topic names of 1 to 249 characters out of a-z A-Z 0-9 . _ -, got "${shown}".`
  throw new StatsError('DS_BUS_TOPIC_INVALID', message)
}

/** Whether `topics` asks for `topic`. Kafka's own topics (`__consumer_offsets`) are never meant by a pattern. */
export function isWanted(topic: string, topics: readonly string[] | RegExp): boolean {
  if (!(topics instanceof RegExp)) return topics.includes(topic)
  return !topic.startsWith('__') && new RegExp(`^(?:${topics.source})$`, topics.flags.replace(/[gy]/g, '')).test(topic)
}

/** Creates `topic` where it is missing; resolves when its partitions have leaders. */
export async function createTopic(
  admin: Admin,
  topic: string,
  { partitions, replication }: { readonly partitions: number; readonly replication: number },
): Promise<void> {
  if ((await admin.listTopics()).includes(topic)) return
  try {
    await admin.createTopics({
      topics: [{ topic, numPartitions: partitions, replicationFactor: replication }],
      waitForLeaders: true,
    })
  } catch (error) {
    // Another producer was quicker.
    if (kafkaTypeOf(error) !== 'TOPIC_ALREADY_EXISTS') throw error
  }
}
