import { type AgentState, applicationKey, unknownAgentState } from '../../src/model/agent-state.js'
import type { MetricList, Tag } from '../../src/model/metric-list.js'
import { createAgentTags } from '../../src/tagging/agent-tags.js'

const state: AgentState = {
  agentId: 'agent-S0',
  frameworkNames: new Map([
    ['fw-1', 'marathon'],
    ['fw-2', 'kafka'],
  ]),
  applicationNames: new Map([
    [applicationKey('fw-1', 'web.1'), 'group/web'],
    [applicationKey('fw-2', 'web.1'), 'broker'],
  ]),
  containers: new Map(),
}

const datapoints = { count: 1, bytes: new Uint8Array([2]) }

function tag(pair: string): Tag {
  const [key = '', value = ''] = pair.split('=')
  return { key, value }
}

function list(tags: readonly Tag[], topic = 'topic'): MetricList {
  return { topic, tags, datapoints }
}

function text(tags: readonly Tag[] | undefined): string[] {
  return (tags ?? []).map(({ key, value }) => `${key}=${value}`)
}

test.each<[string, AgentState, string[], string[]]>([
  ['a list without ids gets the agent only', state, ['colour=red'], ['colour=red', 'agent_id=agent-S0']],
  ['no tags at all', state, [], ['agent_id=agent-S0']],
  [
    'the names come behind, in the order framework, application, agent',
    state,
    ['framework_id=fw-1', 'executor_id=web.1', 'container_id=c', 'a=b'],
    [
      ...['framework_id=fw-1', 'executor_id=web.1', 'container_id=c', 'a=b'],
      ...['framework_name=marathon', 'application_name=group/web', 'agent_id=agent-S0'],
    ],
  ],
  [
    'an executor without a label gets no application',
    state,
    ['framework_id=fw-1', 'executor_id=other'],
    ['framework_id=fw-1', 'executor_id=other', 'framework_name=marathon', 'agent_id=agent-S0'],
  ],
  [
    'executor ids count within their framework',
    state,
    ['framework_id=fw-2', 'executor_id=web.1'],
    ['framework_id=fw-2', 'executor_id=web.1', 'framework_name=kafka', 'application_name=broker', 'agent_id=agent-S0'],
  ],
  [
    'an executor without a framework is nobody',
    state,
    ['executor_id=web.1'],
    ['executor_id=web.1', 'agent_id=agent-S0'],
  ],
  [
    'a framework that the agent does not have',
    state,
    ['framework_id=gone'],
    ['framework_id=gone', 'framework_name=UNKNOWN_FRAMEWORK_ID', 'agent_id=agent-S0'],
  ],
  [
    'the first framework_id counts',
    state,
    ['framework_id=fw-2', 'framework_id=fw-1'],
    ['framework_id=fw-2', 'framework_id=fw-1', 'framework_name=kafka', 'agent_id=agent-S0'],
  ],
  [
    "a sender's framework_name is replaced",
    state,
    ['framework_name=mine', 'framework_id=fw-1', 'x=y'],
    ['framework_id=fw-1', 'x=y', 'framework_name=marathon', 'agent_id=agent-S0'],
  ],
  [
    "a sender's framework_name is replaced by UNKNOWN_FRAMEWORK_ID too",
    state,
    ['framework_name=mine', 'framework_id=gone'],
    ['framework_id=gone', 'framework_name=UNKNOWN_FRAMEWORK_ID', 'agent_id=agent-S0'],
  ],
  [
    "each of a sender's repeated agent_ids is replaced",
    state,
    ['agent_id=a', 'k=v', 'agent_id=b'],
    ['k=v', 'agent_id=agent-S0'],
  ],
  [
    "a sender's application_name is replaced where the agent knows better",
    state,
    ['framework_id=fw-1', 'executor_id=web.1', 'application_name=mine'],
    [
      ...['framework_id=fw-1', 'executor_id=web.1'],
      ...['framework_name=marathon', 'application_name=group/web', 'agent_id=agent-S0'],
    ],
  ],
  [
    "a sender's application_name stays where the agent knows none",
    state,
    ['framework_id=fw-1', 'executor_id=other', 'application_name=mine'],
    ['framework_id=fw-1', 'executor_id=other', 'application_name=mine', 'framework_name=marathon', 'agent_id=agent-S0'],
  ],
  [
    "a sender's framework_name stays where the list has no framework_id",
    state,
    ['framework_name=mine'],
    ['framework_name=mine', 'agent_id=agent-S0'],
  ],
  [
    "other repeated tags stay as the sender's",
    state,
    ['k=1', 'k=2', 'k=1'],
    ['k=1', 'k=2', 'k=1', 'agent_id=agent-S0'],
  ],
  [
    'before the first state UNKNOWN_AGENT_STATE comes alone',
    unknownAgentState,
    ['framework_id=fw-1', 'executor_id=web.1'],
    ['framework_id=fw-1', 'executor_id=web.1', 'agent_id=UNKNOWN_AGENT_STATE'],
  ],
  [
    "before the first state a sender's agent_id is replaced as well",
    unknownAgentState,
    ['agent_id=mine', 'framework_name=mine'],
    ['framework_name=mine', 'agent_id=UNKNOWN_AGENT_STATE'],
  ],
])('createAgentTags: %s', (_rule, agentState, sent, expected) => {
  const [tagged] = createAgentTags(() => agentState)([list(sent.map(tag))])
  expect(text(tagged?.tags)).toEqual(expected)
})

test('createAgentTags keeps topic, datapoints and the given list untouched', () => {
  const tags = Object.freeze([tag('framework_id=fw-1')])
  const given = Object.freeze(list(tags, 'fw-1'))
  const [tagged] = createAgentTags(() => state)([given])
  expect(tagged).toMatchObject({ topic: 'fw-1' })
  expect(tagged?.datapoints).toBe(datapoints)
  expect(given.tags).toBe(tags)
})

test('createAgentTags looks up the tags of 100 lists with one array once, and anew when the state changes', () => {
  const lookUps = countedNames()
  let current: AgentState = { ...state, frameworkNames: lookUps.names }
  const addTags = createAgentTags(() => current)
  const tags = [tag('framework_id=fw-1')]
  const lists = Array.from({ length: 100 }, () => list(tags))

  const first = addTags(lists)
  expect(lookUps.count()).toBe(1)
  expect(new Set(first.map((tagged) => tagged.tags)).size).toBe(1)
  expect(addTags(lists)[0]?.tags).toBe(first[0]?.tags)
  expect(lookUps.count()).toBe(1)

  current = { ...current, agentId: 'agent-S1' }
  expect(text(addTags(lists)[99]?.tags)).toEqual(['framework_id=fw-1', 'framework_name=marathon', 'agent_id=agent-S1'])
  expect(lookUps.count()).toBe(2)
})

test('createAgentTags counts the lists that went out before there was a state', () => {
  let current = unknownAgentState
  const noAgentState = { value: 0 }
  const addTags = createAgentTags(() => current, { noAgentState })
  addTags([list([]), list([])])
  current = state
  addTags([list([])])
  expect(noAgentState.value).toBe(2)
})

function countedNames(): { names: ReadonlyMap<string, string>; count(): number } {
  let asked = 0
  class CountedMap extends Map<string, string> {
    override get(key: string): string | undefined {
      asked++
      return super.get(key)
    }
  }
  return { names: new CountedMap(state.frameworkNames), count: () => asked }
}
