import { readFile } from 'node:fs/promises'
import { parseReply } from '../../src/agent/parse-reply.js'
import {
  containersShape,
  readContainersReply,
  readSnapshotReply,
  readStateReply,
  stateShape,
} from '../../src/agent/replies.js'
import { buildAgentState } from '../../src/agent/state.js'
import { applicationKey } from '../../src/model/agent-state.js'

const marathon = '1d899b6c-ba54-4aaa-954c-eaefa1759a2f-0000'

async function recorded(name: string) {
  const read = async (file: string) =>
    new Uint8Array(await readFile(new URL(`../../samples/agent/${name}/${file}.json`, import.meta.url)))
  const state = await readStateReply(await parseReply(await read('state'), stateShape))
  const containers = await readContainersReply(await parseReply(await read('containers'), containersShape))
  const snapshot = readSnapshotReply(await parseReply(await read('metrics-snapshot'), 'all'))
  return { state, containers, snapshot, agent: buildAgentState(state, containers) }
}

test('mesos-1.0: Marathon with its applications, containers of both replies', async () => {
  const { state, containers, snapshot, agent } = await recorded('mesos-1.0')
  expect(agent.agentId).toMatch(/-S\d+$/)
  expect([...agent.frameworkNames]).toEqual([[marathon, 'marathon']])
  expect(agent.applicationNames.get(applicationKey(marathon, 'kafka.49275511-4f6e-11e6-90c7-76e71a96a1cb'))).toBe(
    'kafka',
  )
  expect(new Set(agent.applicationNames.values())).toEqual(
    new Set([
      'group/slow-sleeper',
      'top-level-sleep',
      '8061/state-before',
      '8061/healthy',
      '8061/state-after',
      'kafka',
    ]),
  )
  // One is only in /state and two only in /containers, since the replies were recorded one after the other.
  expect(agent.containers.size).toBe(9)
  expect(agent.containers.get('d9b393a0-39d5-4470-b51d-eb5a05e8e267')).toEqual({
    frameworkId: marathon,
    executorId: 'kafka.49275511-4f6e-11e6-90c7-76e71a96a1cb',
    containerId: 'd9b393a0-39d5-4470-b51d-eb5a05e8e267',
  })
  expect(snapshot['system/cpus_total']).toBe(4)
  expect([state.skipped, containers.skipped]).toEqual([{}, {}])
})

test('mesos-1.11-task: an executor without labels; frameworks that have ended are not looked at', async () => {
  const { agent } = await recorded('mesos-1.11-task')
  const frameworkId = '1c5550b9-cf75-4b2e-bb67-96f3e12f2767-0001'
  expect(agent.agentId).toBe('1c5550b9-cf75-4b2e-bb67-96f3e12f2767-S0')
  expect([...agent.frameworkNames]).toEqual([[frameworkId, 'mesos-execute instance']])
  expect(agent.applicationNames.size).toBe(0)
  expect([...agent.containers.values()]).toEqual([
    { frameworkId, executorId: 'posix1', containerId: '8a6d0a52-4803-42be-ba99-d5ae9d6cea4f' },
  ])
})

test('mesos-1.11-task-group: the nested containers belong to the executor, by the last part of their id', async () => {
  const { agent, containers } = await recorded('mesos-1.11-task-group')
  const executor = { frameworkId: '1c5550b9-cf75-4b2e-bb67-96f3e12f2767-0002', executorId: 'default-executor' }
  expect(containers.containers).toHaveLength(1)
  expect([...agent.containers.values()]).toEqual(
    [
      '1bb47cec-7e54-4b17-8103-d107e9e4aed6',
      '7754a0c9-5e8a-455a-8f55-44db89d28461',
      '384a38a1-33de-4f40-891d-12d3540c0a14',
    ].map((containerId) => ({ ...executor, containerId })),
  )
})

const executor = { id: 'e', container: 'c' }
const framework = { id: 'f', name: 'marathon', executors: [executor] }

test.each<[string, object, object]>([
  ['no frameworks at all', { id: 'a' }, { frameworks: [], skipped: {} }],
  ['frameworks null', { id: 'a', frameworks: null }, { frameworks: [], skipped: {} }],
  [
    'a framework without executors is a name',
    { id: 'a', frameworks: [{ id: 'f', name: 'n' }] },
    { frameworks: [{ frameworkId: 'f', name: 'n', executors: [] }], skipped: {} },
  ],
  [
    'a framework without a name is skipped, the others stay',
    { id: 'a', frameworks: [{ id: 'x' }, framework] },
    { frameworks: [{ frameworkId: 'f' }], skipped: { framework: 1 } },
  ],
  [
    'a framework without an id, and one that is no object',
    { id: 'a', frameworks: [{ name: 'x' }, 7, framework] },
    { frameworks: [{ frameworkId: 'f' }], skipped: { framework: 2 } },
  ],
  [
    'an executor without an id is skipped, the others stay',
    { id: 'a', frameworks: [{ ...framework, executors: [{ container: 'x' }, null, executor] }] },
    { frameworks: [{ executors: [{ executorId: 'e', containerIds: ['c'] }] }], skipped: { executor: 2 } },
  ],
  [
    'an executor without a container has none',
    { id: 'a', frameworks: [{ ...framework, executors: [{ id: 'e' }] }] },
    { frameworks: [{ executors: [{ executorId: 'e', containerIds: [] }] }], skipped: {} },
  ],
  [
    'a task that is damaged is skipped, its executor stays',
    {
      id: 'a',
      frameworks: [
        { ...framework, executors: [{ ...executor, tasks: ['x', { statuses: 3 }, { statuses: null }, {}] }] },
      ],
    },
    { frameworks: [{ executors: [{ containerIds: ['c'] }] }], skipped: { task: 2 } },
  ],
  [
    'a container nested in a nested one names all its parents',
    {
      id: 'a',
      frameworks: [
        {
          ...framework,
          executors: [
            {
              ...executor,
              tasks: [
                {
                  statuses: [
                    {},
                    { container_status: null },
                    { container_status: { container_id: { value: 'n' } } },
                    {
                      container_status: {
                        container_id: { value: 'nn', parent: { value: 'm', parent: { value: 'c' } } },
                      },
                    },
                  ],
                },
              ],
            },
          ],
        },
      ],
    },
    { frameworks: [{ executors: [{ containerIds: ['c', 'n', 'nn', 'm'] }] }], skipped: {} },
  ],
])('readStateReply: %s', async (_rule, reply, expected) => {
  const bytes = new Uint8Array(Buffer.from(JSON.stringify(reply)))
  expect(await readStateReply(await parseReply(bytes, stateShape))).toMatchObject({ agentId: 'a', ...expected })
})

test.each<[string, unknown, string | undefined]>([
  ['MARATHON_APP_ID without its slash', [{ key: 'MARATHON_APP_ID', value: '/group/web' }], 'group/web'],
  ['all leading slashes go, the others stay', [{ key: 'MARATHON_APP_ID', value: '///a//b/' }], 'a//b/'],
  ['DCOS_SPACE', [{ key: 'DCOS_SPACE', value: '/space' }], 'space'],
  [
    'the last of the two wins',
    [
      { key: 'MARATHON_APP_ID', value: '/app' },
      { key: 'DCOS_SPACE', value: '/space' },
    ],
    'space',
  ],
  ['other labels say nothing', [{ key: 'team', value: 'core' }], undefined],
  ['a label that is only a slash says nothing', [{ key: 'MARATHON_APP_ID', value: '/' }], undefined],
  ['a label without a value says nothing', [{ key: 'MARATHON_APP_ID' }], undefined],
  ['damaged labels beside a good one', [null, 5, { key: 'MARATHON_APP_ID', value: 'x' }], 'x'],
  ['labels that are no list', { labels: [] }, undefined],
  ['labels null', null, undefined],
])('readStateReply, application name: %s', async (_rule, labels, expected) => {
  const reply = { id: 'a', frameworks: [{ ...framework, executors: [{ ...executor, labels }] }] }
  const bytes = new Uint8Array(Buffer.from(JSON.stringify(reply)))
  const state = await readStateReply(await parseReply(bytes, stateShape))
  expect(state.frameworks[0]?.executors).toEqual([{ executorId: 'e', applicationName: expected, containerIds: ['c'] }])
  expect(state.skipped).toEqual({})
})

test.each<[string, unknown]>([
  ['no id', { frameworks: [] }],
  ['an empty id', { id: '' }],
  ['an id that is no text', { id: 5 }],
  ['frameworks that are no list', { id: 'a', frameworks: { f: {} } }],
  ['a list', []],
  ['null', null],
  ['a text', 'state'],
])('readStateReply refuses %s', async (_rule, reply) => {
  const bytes = new Uint8Array(Buffer.from(JSON.stringify(reply)))
  const parsed = await parseReply(bytes, stateShape)
  await expect(readStateReply(parsed)).rejects.toMatchObject({ code: 'DS_AGENT_REPLY', exitCode: undefined })
})

test('readContainersReply: one damaged container is skipped, the others come through', async () => {
  const good = { container_id: 'c', executor_id: 'e', framework_id: 'f' }
  const reply = [
    { ...good, statistics: { timestamp: 1 } },
    { ...good, container_id: undefined },
    { ...good, executor_id: null },
    { ...good, framework_id: '' },
    { ...good, statistics: null },
    good,
    { ...good, statistics: 'none' },
    7,
  ]
  const bytes = new Uint8Array(Buffer.from(JSON.stringify(reply)))
  const { containers, skipped } = await readContainersReply(await parseReply(bytes, containersShape))
  expect(skipped).toEqual({ container: 4 })
  expect(containers.map(({ statistics }) => statistics)).toEqual([{ timestamp: 1 }, undefined, undefined, undefined])
})

test('readContainersReply refuses what is no list', async () => {
  await expect(readContainersReply({})).rejects.toThrow(/\/containers should be a list/)
})

test.each([
  ['an empty object', {}],
  ['no number at all', { a: 'b', c: null }],
  ['a list', [1, 2]],
])('readSnapshotReply refuses %s', (_rule, reply) => {
  expect(() => readSnapshotReply(reply)).toThrow(/metrics\/snapshot/)
})
