import { type AgentState, applicationKey, type ContainerIdentity } from '../model/agent-state.js'
import type { ContainersReply, StateReply } from './replies.js'

/**
 * What the last good replies say together. Containers come from both: /containers knows an outer one a little sooner, only
 * /state knows the nested ones of task groups. All are found by the last part of their id, which is all that the
 * isolator tells.
 *
 * @param state undefined before the first good /state: then the agent's id and all names are unknown
 */
export function buildAgentState(state: StateReply | undefined, containers: ContainersReply | undefined): AgentState {
  const identities = new Map<string, ContainerIdentity>()
  for (const { containerId, executorId, frameworkId } of containers?.containers ?? []) {
    identities.set(containerId, { frameworkId, executorId, containerId })
  }
  const frameworkNames = new Map<string, string>()
  const applicationNames = new Map<string, string>()
  for (const { frameworkId, name, executors } of state?.frameworks ?? []) {
    frameworkNames.set(frameworkId, name)
    for (const { executorId, applicationName, containerIds } of executors) {
      if (applicationName !== undefined) applicationNames.set(applicationKey(frameworkId, executorId), applicationName)
      for (const containerId of containerIds) identities.set(containerId, { frameworkId, executorId, containerId })
    }
  }
  return { agentId: state?.agentId, frameworkNames, applicationNames, containers: identities }
}
