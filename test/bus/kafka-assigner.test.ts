import kj, { type Cluster } from 'kafkajs'
import { subscriberAssigner } from '../../src/bus/kafka-assigner.js'

const { MemberAssignment } = kj.AssignerProtocol

async function assign(partitions: Record<string, number>, subscriptions: Record<string, string[]>) {
  const known = new Set<string>()
  const learn = async (topics: string[]) => {
    for (const topic of topics) {
      if (!(topic in partitions)) throw new Error('This server does not host this topic-partition')
      known.add(topic)
    }
  }
  const cluster = {
    addMultipleTargetTopics: learn,
    addTargetTopic: (topic: string) => learn([topic]),
    findTopicPartitionMetadata: (topic: string) =>
      known.has(topic)
        ? Array.from({ length: partitions[topic]! }, (_, partitionId) => ({ partitionId })).reverse()
        : [],
  } as unknown as Cluster
  const assigner = subscriberAssigner({ cluster, groupId: 'g', logger: undefined as never })
  const members = Object.entries(subscriptions).map(([memberId, topics]) => ({
    memberId,
    memberMetadata: assigner.protocol({ topics }).metadata,
  }))
  const assignments = await assigner.assign({ members, topics: [] })
  return Object.fromEntries(
    assignments.map(({ memberId, memberAssignment }) => [
      memberId,
      MemberAssignment.decode(memberAssignment)?.assignment,
    ]),
  )
}

test.each([
  ['partitions are shared evenly', { t: 5 }, { a: ['t'], b: ['t'] }, { a: { t: [0, 2, 4] }, b: { t: [1, 3] } }],
  [
    'many small topics, too',
    { t: 1, u: 1, v: 1 },
    { a: ['t', 'u', 'v'], b: ['t', 'u', 'v'] },
    { a: { t: [0], v: [0] }, b: { u: [0] } },
  ],
  [
    'a topic goes only to who subscribes to it',
    { t: 2, u: 2 },
    { a: ['t'], b: ['u'] },
    { a: { t: [0, 1] }, b: { u: [0, 1] } },
  ],
  [
    'who has nothing yet comes first',
    { t: 2, u: 2 },
    { a: ['t', 'u'], b: ['u'] },
    { a: { t: [0, 1] }, b: { u: [0, 1] } },
  ],
  ['more members than partitions', { t: 1 }, { a: ['t'], b: ['t'] }, { a: { t: [0] }, b: {} }],
  ['a topic that was deleted meanwhile', { t: 1 }, { a: ['gone', 't'] }, { a: { t: [0] } }],
])('%s', async (_rule, partitions, subscriptions, expected) => {
  expect(await assign(partitions as never, subscriptions as never)).toEqual(expected)
})
