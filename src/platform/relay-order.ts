import type { SocketType } from 'node:dgram'

/** What `handle-relay.ts` is told on stdin. */
export interface RelayOrder {
  readonly sockets: readonly RelayedSocket[]
  /** Whether the receiver has yet to say that it is ready. */
  readonly awaitReady: boolean
}

export interface RelayedSocket {
  readonly descriptor: number
  readonly type: SocketType | 'tcp'
}

/** What it says on stdout when everything has been handed over. */
export const relayDone = 'done'
