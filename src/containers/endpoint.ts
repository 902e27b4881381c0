import type { ContainerIdentity } from '../model/agent-state.js'

/**
 * Who speaks on a StatsD socket right now. The registry changes it; the input reads it when a chunk leaves.
 * - known: the datapoints get the identity's tags and its framework's topic.
 * - pending: the agent has not named the container yet; datapoints wait, up to --unknown-hold-ms.
 * - unknown: nobody, or several containers on one socket: topic `unknown_container`, no id tags.
 */
export type Owner =
  | { readonly status: 'known'; readonly identity: ContainerIdentity }
  | { readonly status: 'pending'; readonly containerId: string }
  | { readonly status: 'unknown' }

/** A bound StatsD socket. */
export interface BoundSocket {
  /** The address a container is told. */
  readonly host: string
  readonly port: number
  /** Tells the input that somebody else speaks here now, or that the agent has named who it is. */
  setOwner(owner: Owner): void
  /** Reads what the kernel still holds, then closes. */
  close(): Promise<void>
}

/**
 * Binds a StatsD socket exclusively; `port` 0 lets the kernel choose.
 * Rejects with a StatsError `DS_PORT_TAKEN` where somebody else has the port.
 */
export type OpenSocket = (request: { readonly port: number; readonly owner: Owner }) => Promise<BoundSocket>

/** What a container is given: STATSD_UDP_HOST and STATSD_UDP_PORT. */
export interface ContainerEndpoint {
  readonly containerId: string
  readonly host: string
  readonly port: number
}
