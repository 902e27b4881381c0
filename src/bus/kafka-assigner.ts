import kj, { type Cluster, type GroupMember, type PartitionAssigner } from 'kafkajs'

const { MemberMetadata, MemberAssignment } = kj.AssignerProtocol
const version = 0

/**
 * Divides the partitions of a group: each topic only among the members that subscribe to it, each partition to the one
 * with the fewest so far.
 *
 * kafkajs' own assigner hands out what the leader subscribes to, to everybody: where one member knows a topic earlier than
 * the leader, or where members read different topics, partitions end with nobody and nothing says so. The name is
 * kafkajs' own, so that both can be in one group while a deployment is rolled out.
 */
export const subscriberAssigner: PartitionAssigner = ({ cluster }) => ({
  name: 'RoundRobinAssigner',
  version,
  protocol: ({ topics }) => ({
    name: 'RoundRobinAssigner',
    metadata: MemberMetadata.encode({ version, topics, userData: Buffer.alloc(0) }),
  }),
  async assign({ members }) {
    const subscribers = subscribersByTopic(members)
    const topics = [...subscribers.keys()].sort()
    await learnTopics(cluster, topics)
    const shares = divide(topics, subscribers, (topic) => partitionsOf(cluster, topic))
    return members.map(({ memberId }) => ({
      memberId,
      memberAssignment: MemberAssignment.encode({
        version,
        assignment: shares.get(memberId) ?? {},
        userData: Buffer.alloc(0),
      }),
    }))
  },
})

type Share = Record<string, number[]>

function subscribersByTopic(members: readonly GroupMember[]): Map<string, string[]> {
  const subscribers = new Map<string, string[]>()
  for (const { memberId, memberMetadata } of members) {
    for (const topic of MemberMetadata.decode(memberMetadata)?.topics ?? []) {
      subscribers.set(topic, [...(subscribers.get(topic) ?? []), memberId].sort())
    }
  }
  return subscribers
}

// The leader has asked for its own topics only. One that was deleted meanwhile must not keep the others from being known.
async function learnTopics(cluster: Cluster, topics: string[]): Promise<void> {
  try {
    await cluster.addMultipleTargetTopics(topics)
  } catch {
    for (const topic of topics) await cluster.addTargetTopic(topic).catch(() => {})
  }
}

function partitionsOf(cluster: Cluster, topic: string): number[] {
  return cluster
    .findTopicPartitionMetadata(topic)
    .map(({ partitionId }) => partitionId)
    .sort((a, b) => a - b)
}

function divide(
  topics: readonly string[],
  subscribers: ReadonlyMap<string, readonly string[]>,
  partitions: (topic: string) => readonly number[],
): Map<string, Share> {
  const shares = new Map<string, Share>()
  const counts = new Map<string, number>()
  for (const topic of topics) {
    const candidates = subscribers.get(topic) ?? []
    for (const partition of partitions(topic)) {
      const memberId = candidates.reduce((a, b) => ((counts.get(b) ?? 0) < (counts.get(a) ?? 0) ? b : a))
      const share = shares.get(memberId) ?? {}
      share[topic] = [...(share[topic] ?? []), partition]
      shares.set(memberId, share)
      counts.set(memberId, (counts.get(memberId) ?? 0) + 1)
    }
  }
  return shares
}
