/** Where a container belongs: what the proxy puts in front of every list of a known container. */
export interface ContainerIdentity {
  readonly frameworkId: string
  readonly executorId: string
  /** The last part of the id for a nested container, as the isolator tells it. */
  readonly containerId: string
}

/** What the last good replies of the local Mesos agent say. Replaced as a whole at each poll, never changed. */
export interface AgentState {
  /** Undefined before the first good /state. */
  readonly agentId: string | undefined
  /** framework id -> its name. */
  readonly frameworkNames: ReadonlyMap<string, string>
  /** `applicationKey(frameworkId, executorId)` -> MARATHON_APP_ID or DCOS_SPACE without leading slashes. */
  readonly applicationNames: ReadonlyMap<string, string>
  /** Last part of the container id -> who it is; outer and nested containers alike. */
  readonly containers: ReadonlyMap<string, ContainerIdentity>
}

export const unknownAgentState: AgentState = {
  agentId: undefined,
  frameworkNames: new Map(),
  applicationNames: new Map(),
  containers: new Map(),
}

/** The key of `AgentState.applicationNames`; executor ids are unique only within their framework. */
export function applicationKey(frameworkId: string, executorId: string): string {
  return `${frameworkId}\n${executorId}`
}
