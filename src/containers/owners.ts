import type { Owner } from './endpoint.js'
import type { Identities } from './identities.js'

/**
 * Who a container is by what the agent has told so far.
 *
 * @param identities the agent; without one nobody is waited for
 */
export function lookUpOwner(identities: Identities | undefined, containerId: string): Owner {
  if (identities === undefined) return { status: 'unknown' }
  const identity = identities.identify(containerId) ?? identities.identify(lastPart(containerId))
  return identity === undefined ? { status: 'pending', containerId } : { status: 'known', identity }
}

/** Whether two owners are the same known container. */
export function isSameOwner(left: Owner, right: Owner): boolean {
  if (left.status !== 'known' || right.status !== 'known') return false
  const { frameworkId, executorId, containerId } = left.identity
  const other = right.identity
  return frameworkId === other.frameworkId && executorId === other.executorId && containerId === other.containerId
}

/** The isolator tells only the last part of a nested id; others may tell it whole. */
export function lastPart(containerId: string): string {
  return containerId.slice(containerId.lastIndexOf('/') + 1)
}
