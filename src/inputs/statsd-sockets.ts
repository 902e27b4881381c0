import type { Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { platform } from 'node:os'
import { DgramAsPromised, type SocketAsPromised } from 'dgram-as-promised'
import { ExitCode, messageOf, StatsError, systemCodeOf } from '../platform/errors.js'
import { formatAddress } from '../platform/hosts.js'
import type { InheritedUdpSocket } from '../platform/inheritance.js'
import { findUdpDescriptor } from '../platform/udp-descriptors.js'
import type { Log } from '../telemetry/log.js'
import type { Lull } from './statsd-lull.js'
import { PacketReads } from './statsd-reads.js'

/** How often a port that the kernel chose for the first address may turn out to be taken at another one. */
const samePortTries = 20
/** Turns of the event loop that closing waits at most for what the kernel still holds: a sender may never stop. */
const drainTurns = 1024

/** A bound socket. */
export interface UdpSocket {
  readonly host: string
  readonly port: number
  /** What the kernel gave, in the bytes that were asked for. */
  readonly receiveBufferBytes: number
  close(): Promise<void>
}

export interface BindRequest {
  /** IPv4 and IPv6 addresses; all get the same port. */
  readonly hosts: readonly string[]
  /** 0: the kernel chooses. */
  readonly port: number
  /** 0 keeps the kernel's default. */
  readonly receiveBufferBytes: number
  /** Must have copied what it keeps of a packet when it returns. */
  readonly onPacket: (packet: Buffer) => void
  readonly lull: Lull
  /** One that came before, at an inherited socket. */
  readonly onKeptPacket?: (packet: Buffer, timeMs: number) => void
  /** A socket that the process before this one had bound there. */
  readonly inherit?: ((host: string, port: number) => InheritedUdpSocket | undefined) | undefined
  readonly log: Log
}

/**
 * Binds a socket at each of `hosts`, exclusively, on one port.
 *
 * Rejects with a StatsError: `DS_PORT_TAKEN` where somebody else has the port, `DS_BIND` otherwise.
 */
export async function bindUdpSockets(request: BindRequest): Promise<UdpSocket[]> {
  for (let tries = 1; ; tries++) {
    try {
      return await bindAll(request)
    } catch (cause) {
      const again = request.port === 0 && systemCodeOf(cause) === 'DS_PORT_TAKEN' && tries < samePortTries
      if (!again) throw cause
    }
  }
}

async function bindAll(request: BindRequest): Promise<UdpSocket[]> {
  const sockets: UdpSocket[] = []
  try {
    for (const host of request.hosts) sockets.push(await bind(request, host, sockets[0]?.port ?? request.port))
    return sockets
  } catch (cause) {
    await Promise.all(sockets.map((socket) => socket.close()))
    throw cause
  }
}

async function bind(request: BindRequest, host: string, port: number): Promise<UdpSocket> {
  const inherited = port === 0 ? undefined : request.inherit?.(host, port)
  if (inherited === undefined) return bindNew(request, host, port)
  const { socket } = inherited
  const reads = readsOf(request, socket)
  logErrors(socket, host, port, request.log)
  const receiveBufferBytes = askReceiveBuffer(socket, request.receiveBufferBytes)
  inherited.read(reads.onPacket, request.onKeptPacket ?? request.onPacket)
  return {
    host,
    port,
    receiveBufferBytes,
    close() {
      reads.close()
      return new Promise((resolve) => socket.close(() => resolve()))
    },
  }
}

function readsOf({ onPacket, lull }: BindRequest, socket: Socket): PacketReads {
  return new PacketReads(onPacket, lull, () => findUdpDescriptor(socket))
}

async function bindNew(request: BindRequest, host: string, port: number): Promise<UdpSocket> {
  const { receiveBufferBytes, log } = request
  const promised = createSocket(host)
  const { socket } = promised
  const reads = readsOf(request, socket)
  // Before it is bound: a container that had the port already may be sending.
  socket.on('message', reads.onPacket)
  try {
    const bound = await promised.bind({ address: host, port, exclusive: true })
    logErrors(socket, host, bound.port, log)
    return {
      host,
      port: bound.port,
      receiveBufferBytes: askReceiveBuffer(socket, receiveBufferBytes),
      async close() {
        reads.close()
        await promised.close()
      },
    }
  } catch (cause) {
    await promised.close().catch(() => {})
    throw bindError(cause, host, port)
  }
}

function logErrors(socket: Socket, host: string, port: number, log: Log): void {
  socket.on('error', (cause) => log.warn({ host, port, cause: messageOf(cause) }, 'a StatsD socket failed'))
}

function createSocket(host: string): SocketAsPromised {
  // ipv6Only: `::` would otherwise take the port of the IPv4 socket beside it.
  return DgramAsPromised.createSocket(isIPv6(host) ? { type: 'udp6', ipv6Only: true } : { type: 'udp4' })
}

/** @returns what the kernel gave, counted as it was asked for */
function askReceiveBuffer(socket: Socket, bytes: number): number {
  try {
    if (bytes > 0) socket.setRecvBufferSize(bytes)
  } catch {
    // BSD and macOS refuse what Linux caps; what is there then is told by the reading below.
  }
  // Linux keeps, and tells, twice what it was asked for: the other half is for its own bookkeeping (socket(7)).
  return platform() === 'linux' ? socket.getRecvBufferSize() / 2 : socket.getRecvBufferSize()
}

function bindError(cause: unknown, host: string, port: number): StatsError {
  const address = formatAddress({ host, port })
  const code = systemCodeOf(cause)
  if (code === 'EADDRINUSE') {
    return new StatsError(
      'DS_PORT_TAKEN',
      `UDP port ${address} is taken by another process or socket. Free it, or choose another port.`,
      { cause },
    )
  }
  if (code === 'EADDRNOTAVAIL') {
    return new StatsError(
      'DS_BIND',
      `${host} is no address of this machine. Check --listen-host or --listen-interface.`,
      { cause, exitCode: ExitCode.config },
    )
  }
  const hints: Record<string, string> = {
    EACCES: 'Ports below 1024 need CAP_NET_BIND_SERVICE; choose a higher one.',
    EMFILE: 'The limit of open files is reached: raise it (ulimit -n, LimitNOFILE= in systemd).',
  }
  const hint = hints[code ?? ''] ?? 'Check --listen-host and the port options.'
  return new StatsError('DS_BIND', `UDP ${address} could not be bound: ${messageOf(cause)}. ${hint}`, { cause })
}

/**
 * Resolves when the kernel holds no more datagrams for a socket, as far as `packetsSeen` tells: two turns of the event loop
 * without a new one (the first may have begun before).
 */
export async function drain(packetsSeen: () => number): Promise<void> {
  let idleTurns = 0
  for (let turn = 0; turn < drainTurns && idleTurns < 2; turn++) {
    const before = packetsSeen()
    await new Promise((resolve) => setImmediate(resolve))
    idleTurns = packetsSeen() === before ? idleTurns + 1 : 0
  }
}
