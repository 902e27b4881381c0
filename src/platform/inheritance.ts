import { Socket as UdpSocket } from 'node:dgram'
import { Server, Socket } from 'node:net'
import { StatsError } from './errors.js'
import { formatAddress, type ListenAddress } from './hosts.js'
import { procAddress } from './proc-net.js'
import type { RelayedServer } from './relay-order.js'

/** The IPC channel that a process was started with. */
export interface ParentChannel {
  send(message: object): void
  onMessage(callback: (message: unknown, handle: unknown) => void): void
  onGone(callback: () => void): void
}

/** A UDP socket that was bound, and may have been read, by the process before this one. */
export interface InheritedUdpSocket {
  readonly socket: UdpSocket
  /** From now on datagrams go to `onPacket`; those that have come in meanwhile go to `onKept`, with their times, before. */
  read(onPacket: (packet: Buffer) => void, onKept: (packet: Buffer, timeMs: number) => void): void
}

/** A socket that listens, for the process before this one till now. */
export interface InheritedServer {
  readonly server: Server
  readonly bound: ListenAddress
  /** From now on connections go to `onConnection`, first of all those that have come in meanwhile. */
  accept(onConnection: (connection: Socket) => void): void
}

/** What the process before this one hands over; see `handle-passing.ts` for its side. */
export interface Inheritance {
  /** What it knew. Rejects where it went away without a word. */
  readonly state: Promise<unknown>
  /** The socket that is bound there, once. */
  takeUdpSocket(host: string, port: number): InheritedUdpSocket | undefined
  /** The server with this address, once; asked for port 0, it may have any port. */
  takeServer(address: ListenAddress): InheritedServer | undefined
  /** Calls back with each further message, and resolves when it has ended. */
  read(onMessage: (message: object) => void): Promise<void>
  /** Closes the sockets that nobody took. */
  closeRest(): void
}

/** Says that this process is ready, and takes what comes. Sockets are read from the moment on that they are here. */
export function receiveInheritance(channel: ParentChannel): Inheritance {
  const udpSockets = new Map<string, KeptUdpSocket>()
  const servers = new Map<string, KeptServer>()
  const waiting: object[] = []
  let tell = (message: object): void => void waiting.push(message)
  let learn: (state: unknown) => void = () => {}
  let miss: (cause: unknown) => void = () => {}
  let end: () => void = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const state = new Promise((resolve, reject) => {
    learn = resolve
    miss = reject
  })

  channel.onMessage((message, handle) => {
    if (handle instanceof UdpSocket) keepUdpSocket(handle)
    else if (!isObject(message)) return
    else if (handle instanceof Server) keepServer(handle, message.server as RelayedServer)
    else if (handle instanceof Socket) servers.get(String(message.connection))?.add(handle)
    else hear(message)
  })
  channel.onGone(() => {
    miss(new StatsError('DS_HANDOVER', 'The running process did not hand over what it has.'))
    end()
  })
  channel.send({ ready: true })

  return {
    state,
    takeUdpSocket: (host, port) => take(udpSockets, procAddress(host, port)),
    takeServer(address) {
      const isAnyPort = address.kind === 'tcp' && address.port === 0
      return isAnyPort ? takeFirst(servers) : take(servers, formatAddress(address))
    },
    read(onMessage) {
      tell = onMessage
      for (const message of waiting.splice(0)) onMessage(message)
      return ended
    },
    closeRest() {
      for (const { socket } of udpSockets.values()) socket.close()
      for (const { server } of servers.values()) server.close()
    },
  }

  function hear(message: Partial<Record<string, unknown>>): void {
    if ('packet' in message) keepPacket(message)
    else if ('state' in message) learn(message.state)
    else tell(message)
  }

  function keepServer(server: Server, { name, bound }: RelayedServer): void {
    servers.set(name, new KeptServer(server, bound))
  }

  function keepUdpSocket(socket: UdpSocket): void {
    const { address, port } = socket.address()
    udpSockets.set(procAddress(address, port), new KeptUdpSocket(socket))
  }

  /** One that the relay read while it had the socket. */
  function keepPacket({ packet, at }: Partial<Record<string, unknown>>): void {
    const { address, port } = at as { address: string; port: number }
    udpSockets.get(procAddress(address, port))?.add(Buffer.from(String(packet), 'base64'))
  }
}

class KeptUdpSocket implements InheritedUdpSocket {
  readonly socket: UdpSocket
  readonly #packets: { readonly packet: Buffer; readonly timeMs: number }[] = []
  readonly add = (packet: Buffer): void => void this.#packets.push({ packet, timeMs: Date.now() })

  constructor(socket: UdpSocket) {
    this.socket = socket
    socket.on('message', this.add)
  }

  read(onPacket: (packet: Buffer) => void, onKept: (packet: Buffer, timeMs: number) => void): void {
    this.socket.off('message', this.add)
    this.socket.on('message', onPacket)
    for (const { packet, timeMs } of this.#packets.splice(0)) onKept(packet, timeMs)
  }
}

class KeptServer implements InheritedServer {
  readonly server: Server
  readonly bound: ListenAddress
  readonly #connections: Socket[] = []
  readonly add = (connection: Socket): void => void this.#connections.push(connection)

  constructor(server: Server, bound: ListenAddress) {
    this.server = server
    this.bound = bound
    // A client may end its side after the request, and wait for the answer.
    Object.assign(server, { allowHalfOpen: true })
    server.on('connection', this.add)
  }

  accept(onConnection: (connection: Socket) => void): void {
    this.server.off('connection', this.add)
    this.server.on('connection', onConnection)
    for (const connection of this.#connections.splice(0)) onConnection(connection)
  }
}

function take<Kept>(from: Map<string, Kept>, key: string): Kept | undefined {
  const kept = from.get(key)
  from.delete(key)
  return kept
}

function takeFirst<Kept>(from: Map<string, Kept>): Kept | undefined {
  const [key] = from.keys()
  return key === undefined ? undefined : take(from, key)
}

function isObject(message: unknown): message is Partial<Record<string, unknown>> {
  return typeof message === 'object' && message !== null
}
