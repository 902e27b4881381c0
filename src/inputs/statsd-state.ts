import type { InheritedUdpSocket } from '../platform/inheritance.js'

/**
 * What an endpoint knows besides its sockets, for the process that reads them next. Only JSON: it goes from one process to
 * another.
 */
export interface EndpointState {
  /** Its first address. */
  readonly host: string
  readonly port: number
  /** Last values, where --gauge-deltas is on. */
  readonly gauges: readonly (readonly [gauge: string, value: number])[]
  /** Of the period of the limit that is under way. */
  readonly receivedBytes: number
  readonly throttledBytes: number
  readonly elapsedMs: number
  /** Packets that wait for the container's name, in base64. */
  readonly held: readonly { readonly packet: string; readonly timeMs: number }[]
  /** What the kernel had dropped at its sockets and was counted, by `procAddress`. */
  readonly kernelDrops: Readonly<Record<string, number>>
}

/** What an input takes over from the process before. */
export interface InheritedEndpoints {
  /** The socket that is bound there; undefined where there was none. */
  takeUdpSocket(host: string, port: number): InheritedUdpSocket | undefined
  /** What was known of the endpoint with this first address. */
  takeState(host: string, port: number): EndpointState | undefined
}
