import type { SocketType } from 'node:dgram'
import type { ListenAddress } from './hosts.js'

/** What `handle-relay.ts` is told on stdin. */
export interface RelayOrder {
  readonly sockets: readonly RelayedSocket[]
  /** Whether the receiver has yet to say that it is ready. */
  readonly awaitReady: boolean
}

export interface RelayedSocket {
  readonly descriptor: number
  readonly type: SocketType | 'server'
  /** What the receiver is told of a server. */
  readonly server?: RelayedServer
}

export interface RelayedServer {
  /** Its address, as people write it. */
  readonly name: string
  /** The same as the kernel has it. */
  readonly bound: ListenAddress
}

/** What it says on stdout when everything has been handed over. */
export const relayDone = 'done'
