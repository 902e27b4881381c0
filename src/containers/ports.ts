import { StatsError, systemCodeOf } from '../platform/errors.js'
import type { BoundSocket, OpenSocket, Owner } from './endpoint.js'

/** Where the port of a new container comes from. */
export type PortMode =
  /** The kernel chooses. */
  | { readonly mode: 'ephemeral' }
  /** All containers share one port. */
  | { readonly mode: 'single'; readonly port: number }
  /** The lowest free port of the range, both ends included. */
  | { readonly mode: 'range'; readonly startPort: number; readonly endPort: number }

/** One container's hold on a socket. */
export interface Lease {
  readonly host: string
  readonly port: number
  setOwner(owner: Owner): void
  /** Gives the port back once the socket is closed. */
  release(): Promise<void>
}

/** Leases sockets to containers. A socket with two or more containers on it belongs to nobody: `unknown`. */
export interface Ports {
  /** A new container's socket; undefined where no port is left. Rejects where no socket can be opened at all. */
  lease(owner: Owner): Promise<Lease | undefined>
  /** The very port that a container was told by an earlier run. Rejects where it cannot be had. */
  leaseAgain(owner: Owner, port: number): Promise<Lease>
  /** Closes every socket. */
  close(): Promise<void>
}

/** A socket while it is being opened and after. */
interface Shared {
  readonly socket: Promise<BoundSocket>
  readonly owners: Map<object, Owner>
  /** Set while it is being closed: the port is not free before that has ended. */
  closing?: Promise<void>
}

export function createPorts(portMode: PortMode, openSocket: OpenSocket): Ports {
  const sockets = new Map<number, Shared>()
  const unnumbered = new Set<Promise<BoundSocket>>()
  let closed = false
  let lowestFree = portMode.mode === 'range' ? portMode.startPort : 0

  return {
    async lease(owner) {
      if (portMode.mode === 'ephemeral') return leaseAnyPort(owner)
      if (portMode.mode === 'single') return leasePort(owner, portMode.port)
      return leaseLowestFree(owner, portMode.startPort, portMode.endPort)
    },

    leaseAgain(owner, port) {
      if (portMode.mode === 'single') return leasePort(owner, portMode.port)
      if (portMode.mode === 'range' && (port < portMode.startPort || port > portMode.endPort)) {
        const range = `${portMode.startPort} to ${portMode.endPort}`
        return Promise.reject(new StatsError('DS_PORT_RANGE', `Port ${port} is outside of the range ${range}`))
      }
      // Two containers of a former single mode were told the same port: they share it again.
      return leasePort(owner, port)
    },

    async close() {
      closed = true
      const open = [...[...sockets.values()].map(({ socket }) => socket), ...unnumbered]
      sockets.clear()
      await Promise.allSettled(open.map(async (socket) => (await socket).close()))
    },
  }

  async function leaseAnyPort(owner: Owner): Promise<Lease> {
    const opening = openSocket({ port: 0, owner })
    unnumbered.add(opening)
    try {
      const socket = await opening
      const shared: Shared = { socket: opening, owners: new Map() }
      sockets.set(socket.port, shared)
      return leaseOf(shared, socket, owner, {}, socket.port)
    } finally {
      unnumbered.delete(opening)
    }
  }

  async function leasePort(owner: Owner, port: number): Promise<Lease> {
    // Awaited only where there is something to wait for: otherwise the port is claimed at once.
    for (let closing = sockets.get(port)?.closing; closing; closing = sockets.get(port)?.closing) await closing
    const shared: Shared = sockets.get(port) ?? { socket: openSocket({ port, owner }), owners: new Map() }
    sockets.set(port, shared)
    const key = {}
    shared.owners.set(key, owner)
    try {
      return leaseOf(shared, await shared.socket, owner, key, port)
    } catch (cause) {
      if (sockets.get(port) === shared) sockets.delete(port)
      throw cause
    }
  }

  async function leaseLowestFree(owner: Owner, startPort: number, endPort: number): Promise<Lease | undefined> {
    let port = Math.max(lowestFree, startPort)
    let belowAllTaken = true
    for (; port <= endPort; port += 1) {
      if (sockets.has(port)) continue
      try {
        const leasing = leasePort(owner, port)
        // The port is claimed before anything is awaited, so that two containers never try the same one.
        if (belowAllTaken) lowestFree = port + 1
        return await leasing
      } catch (cause) {
        lowestFree = Math.min(lowestFree, port)
        if (!isThePortsFault(cause)) throw cause
        // Somebody else's today; it is tried again for the next container.
        belowAllTaken = false
      }
    }
    return undefined
  }

  function leaseOf(shared: Shared, socket: BoundSocket, owner: Owner, key: object, port: number): Lease {
    let released = false
    shared.owners.set(key, owner)
    tellOwner(shared, socket)
    return {
      host: socket.host,
      port: socket.port,
      setOwner(next) {
        if (released) return
        shared.owners.set(key, next)
        tellOwner(shared, socket)
      },
      async release() {
        if (released) return
        released = true
        shared.owners.delete(key)
        // What the kernel still holds when a socket closes is the last owner's: it stays so to the end.
        if (shared.owners.size > 0 || portMode.mode === 'single') tellOwner(shared, socket)
        // The single port stays open for ever (R27): what is still sent there is counted as nobody's.
        if (closed || shared.owners.size > 0 || portMode.mode === 'single') return
        shared.closing = socket.close().finally(() => {
          if (sockets.get(port) === shared) sockets.delete(port)
          lowestFree = Math.min(lowestFree, port)
        })
        await shared.closing
      },
    }
  }
}

function tellOwner({ owners }: Shared, socket: BoundSocket): void {
  const [first, second] = owners.values()
  socket.setOwner(first !== undefined && second === undefined ? first : { status: 'unknown' })
}

/** Whether another port may do better: out of descriptors or memory, none would. */
function isThePortsFault(cause: unknown): boolean {
  const codes = [cause, (cause as { cause?: unknown } | undefined)?.cause].map(systemCodeOf)
  return ['DS_PORT_TAKEN', 'EADDRINUSE', 'EACCES'].some((code) => codes.includes(code))
}
