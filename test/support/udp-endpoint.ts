import { createSocket, type Socket } from 'node:dgram'
import type { BoundSocket, OpenSocket, Owner } from '../../src/containers/endpoint.js'
import { StatsError, systemCodeOf } from '../../src/platform/errors.js'

/** What one socket of `createUdpEndpoints` saw. */
export interface SeenSocket extends BoundSocket {
  readonly owners: Owner[]
  readonly packets: string[]
  closed: boolean
  /** Resolves with the next datagram that comes. */
  nextPacket(): Promise<string>
}

/** Real UDP sockets on 127.0.0.1 that remember what came and who owned them: an `OpenSocket` for tests. */
export function createUdpEndpoints() {
  const sockets: SeenSocket[] = []
  const openSocket: OpenSocket = async ({ port, owner }) => {
    const socket = await bind(port)
    const seen = see(socket, owner)
    sockets.push(seen)
    return seen
  }
  return { openSocket, sockets, open: () => sockets.filter(({ closed }) => !closed) }
}

function see(socket: Socket, owner: Owner): SeenSocket {
  const waiting: ((packet: string) => void)[] = []
  const seen: SeenSocket = {
    host: '127.0.0.1',
    port: socket.address().port,
    owners: [owner],
    packets: [],
    closed: false,
    setOwner: (next) => void seen.owners.push(next),
    nextPacket: () => new Promise((resolve) => waiting.push(resolve)),
    async close() {
      if (seen.closed) throw new Error('closed twice')
      seen.closed = true
      await new Promise<void>((resolve) => socket.close(() => resolve()))
    },
  }
  socket.on('message', (packet) => {
    seen.packets.push(String(packet))
    for (const resolve of waiting.splice(0)) resolve(String(packet))
  })
  return seen
}

function bind(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4')
    socket.once('error', (cause) => {
      const taken = systemCodeOf(cause) === 'EADDRINUSE'
      reject(taken ? new StatsError('DS_PORT_TAKEN', `Port ${port} is taken`, { cause }) : cause)
    })
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(socket))
  })
}
