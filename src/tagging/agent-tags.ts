import { type AgentState, applicationKey } from '../model/agent-state.js'
import { type MetricList, type Tag, tagValue } from '../model/metric-list.js'

const unknownFramework = 'UNKNOWN_FRAMEWORK_ID'
const unknownAgent = 'UNKNOWN_AGENT_STATE'

/**
 * Adds what only the local agent knows, behind the tags that are there: framework_name where the list has a
 * framework_id (`UNKNOWN_FRAMEWORK_ID` where the agent has none such), application_name where the executor has one,
 * agent_id. Before the first good reply of the agent only agent_id, as `UNKNOWN_AGENT_STATE`.
 *
 * Each of these names stands once: the value given here replaces a sender's. A name for which there is nothing to
 * give here is left as the sender wrote it. Where a sender repeats framework_id or executor_id, the first counts.
 *
 * Lists with the same `tags` array get the same new array, worked out once per state of the agent.
 *
 * @param state what the agent said last; asked once per call
 * @param noAgentState counts the lists that were tagged before there was a state
 */
export function createAgentTags(
  state: () => AgentState,
  { noAgentState = { value: 0 } }: { noAgentState?: { value: number } } = {},
): (lists: readonly MetricList[]) => MetricList[] {
  let rememberedFor: AgentState | undefined
  let remembered = new WeakMap<readonly Tag[], readonly Tag[]>()

  return (lists) => {
    const agentState = state()
    if (agentState !== rememberedFor) {
      rememberedFor = agentState
      remembered = new WeakMap()
    }
    if (agentState.agentId === undefined) noAgentState.value += lists.length
    return lists.map(({ topic, tags, datapoints }) => {
      let tagged = remembered.get(tags)
      if (tagged === undefined) {
        tagged = withAgentTags(tags, agentState)
        remembered.set(tags, tagged)
      }
      return { topic, tags: tagged, datapoints }
    })
  }
}

function withAgentTags(tags: readonly Tag[], state: AgentState): readonly Tag[] {
  const added = agentTags(tags, state)
  return [...tags.filter(({ key }) => !added.some((tag) => tag.key === key)), ...added]
}

function agentTags(tags: readonly Tag[], { agentId, frameworkNames, applicationNames }: AgentState): Tag[] {
  if (agentId === undefined) return [{ key: 'agent_id', value: unknownAgent }]
  const added: Tag[] = []
  const frameworkId = tagValue(tags, 'framework_id')
  const executorId = tagValue(tags, 'executor_id')
  if (frameworkId !== undefined) {
    added.push({ key: 'framework_name', value: frameworkNames.get(frameworkId) ?? unknownFramework })
    const application =
      executorId === undefined ? undefined : applicationNames.get(applicationKey(frameworkId, executorId))
    if (application !== undefined) added.push({ key: 'application_name', value: application })
  }
  added.push({ key: 'agent_id', value: agentId })
  return added
}
