import { messageOf, StatsError } from '../platform/errors.js'
import type { Log } from '../telemetry/log.js'
import { type AgentEndpoint, agentPaths } from './agent-address.js'
import type { SkippedParts } from './replies.js'

/** Tells what is wrong with an agent once, not at every poll: when it begins, when it changes, when it is over. */
export interface EndpointTroubles {
  failed(endpoint: AgentEndpoint, cause: unknown): void
  answered(endpoint: AgentEndpoint): void
  skipped(endpoint: AgentEndpoint, parts: SkippedParts): void
}

export function createEndpointTroubles({ log }: { log: Log }): EndpointTroubles {
  const failures = new Map<AgentEndpoint, string>()
  const incomplete = new Set<AgentEndpoint>()
  return {
    failed(endpoint, cause) {
      const kind = kindOf(cause)
      if (failures.get(endpoint) === kind) return
      failures.set(endpoint, kind)
      log.warn(
        { path: agentPaths[endpoint], code: codeOf(cause), cause: messageOf(cause) },
        'the Mesos agent gave no usable answer; what it said before stays in use, and it is asked again at the next poll',
      )
    },
    answered(endpoint) {
      if (failures.delete(endpoint)) log.info({ path: agentPaths[endpoint] }, 'the Mesos agent answers again')
    },
    skipped(endpoint, parts) {
      if (Object.keys(parts).length === 0) return void incomplete.delete(endpoint)
      if (incomplete.has(endpoint)) return
      incomplete.add(endpoint)
      log.warn(
        { path: agentPaths[endpoint], ...parts },
        "parts of the Mesos agent's reply lack what is needed and are left out; the others are used",
      )
    },
  }
}

// Words about a damaged reply differ with every reply, so for those the code alone says whether something changed.
function kindOf(cause: unknown): string {
  const code = codeOf(cause)
  return code === 'DS_AGENT_REPLY' ? code : `${code} ${messageOf(cause)}`
}

function codeOf(cause: unknown): string {
  return cause instanceof StatsError ? cause.code : 'DS_AGENT_REPLY'
}
