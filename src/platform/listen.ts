import { chmod, lstat, rename, unlink } from 'node:fs/promises'
import { type AddressInfo, connect, Server } from 'node:net'
import { dirname, join } from 'node:path'
import { type ErrorCode, ExitCode, messageOf, StatsError, systemCodeOf } from './errors.js'
import { formatAddress, type HostPort, type ListenAddress } from './hosts.js'
import type { InheritedServer } from './inheritance.js'

/** A server that listens, and how to end that. */
export interface Listening {
  /** With the port that the kernel chose where 0 was asked for. */
  readonly address: ListenAddress
  /** The same as the kernel knows it: a unix socket was bound beside its place. */
  readonly bound: ListenAddress
  /**
   * Takes no more connections, and removes a unix socket's file if it is still this server's. Resolves when the last
   * connection has ended; to see to that is the server's own business.
   */
  close(): Promise<void>
  /** Ends it here while another process goes on with the same socket: a unix socket's file stays where it is. */
  leave(): Promise<void>
}

export interface ListenOptions {
  /** The option that gave the address, for messages: `--isolator-listen`. */
  readonly option: string
  readonly errorCode: ErrorCode
  /** Permissions of a unix socket's file; 0o660 unless given. */
  readonly socketMode?: number
  /** Also takes the place of a unix socket that is being served: for a process that is to end. */
  readonly replaceLive?: boolean
  /** What listened there for the process before this one; asked for port 0, it may have any port. */
  readonly inherit?: ((address: ListenAddress) => InheritedServer | undefined) | undefined
}

/**
 * Listens. A unix socket file that nobody serves any more is replaced; one that is served is refused.
 * Rejects with a StatsError with exit code 69 where the address cannot be had.
 */
export async function listenAt(server: Server, address: ListenAddress, options: ListenOptions): Promise<Listening> {
  try {
    const inherited = options.inherit?.(address)
    if (inherited !== undefined) return await listenOn(server, address, inherited)
    return await (address.kind === 'tcp' ? listenOnTcp(server, address) : listenOnUnix(server, address.path, options))
  } catch (cause) {
    throw refused(address, options, cause)
  }
}

async function listenOnTcp(server: Server, { host, port }: HostPort): Promise<Listening> {
  await listening(server, { host, port, exclusive: true })
  const { address: boundHost, port: boundPort } = server.address() as AddressInfo
  const address = { kind: 'tcp', host: boundHost, port: boundPort } as const
  return { address, bound: address, close: () => closed(server), leave: () => left(server) }
}

/** Lets `server` serve what comes in at a server of its own, which makes it listen as far as it can tell. */
async function listenOn(server: Server, asked: ListenAddress, inherited: InheritedServer): Promise<Listening> {
  const { bound } = inherited
  const removeFile = asked.kind === 'unix' ? await removing(asked.path) : undefined
  server.emit('listening')
  inherited.accept((connection) => server.emit('connection', connection))
  return {
    address: asked.kind === 'unix' ? asked : bound,
    bound,
    async close() {
      await removeFile?.()
      await left(inherited.server)
    },
    leave: () => left(inherited.server),
  }
}

async function listenOnUnix(
  server: Server,
  path: string,
  { socketMode = 0o660, replaceLive = false }: ListenOptions,
): Promise<Listening> {
  await refuseWhatIsThere(path, replaceLive)
  // Bound beside its place and then moved there: so the file has its mode from the first moment, and
  // there is no moment without a file while a stale or a former one is replaced.
  const beside = join(dirname(path), nameBeside())
  await unlink(beside).catch(() => {})
  await listening(server, { path: beside })
  await chmod(beside, socketMode)
  await rename(beside, path)
  const removeFile = await removing(path)
  return {
    address: { kind: 'unix', path },
    bound: { kind: 'unix', path: beside },
    async close() {
      await removeFile()
      await closed(server)
    },
    leave: () => left(server),
  }
}

/** Remembers the file that is at a place now: the returned function removes that one, and no other. */
async function removing(path: string): Promise<() => Promise<void>> {
  const file = await lstat(path).catch(() => undefined)
  return async () => {
    const now = await lstat(path).catch(() => undefined)
    if (now !== undefined && now.ino === file?.ino) await unlink(path).catch(() => {})
  }
}

let sockets = 0

// Short, since the kernel takes about a hundred bytes of path; one process may open several in the same folder at a time.
function nameBeside(): string {
  sockets += 1
  return `.${process.pid}-${sockets}`
}

/** Why an address cannot be had, as the second half of a sentence. */
class InTheWay extends Error {}

async function refuseWhatIsThere(path: string, replaceLive: boolean): Promise<void> {
  if (Buffer.byteLength(path) > longestUnixPath) {
    throw new InTheWay(`a unix socket's path has at most ${longestUnixPath} bytes; choose a shorter one`)
  }
  const there = await lstat(path).catch(() => undefined)
  if (there === undefined) return
  if (!there.isSocket()) {
    throw new InTheWay('there is a file at that place which is no socket; remove it or choose another path')
  }
  if (!replaceLive && (await isServed(path))) {
    throw new InTheWay('another process serves it; end that one or choose another path')
  }
}

// sockaddr_un of Linux, without the final NUL. A longer path could be bound beside its place, but never be connected to.
const longestUnixPath = 107

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', (cause) => {
      if (systemCodeOf(cause) === 'ECONNREFUSED' || systemCodeOf(cause) === 'ENOENT') resolve(false)
      // A full backlog: somebody listens.
      else if (systemCodeOf(cause) === 'EAGAIN') resolve(true)
      else reject(cause)
    })
  })
}

function listening(server: Server, options: { host?: string; port?: number; path?: string; exclusive?: boolean }) {
  return new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...options, backlog: 1024 }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}

// An HTTP server's own way to close cuts off whoever has connected and not yet asked.
function left(server: Server): Promise<void> {
  return new Promise((resolve) => void Server.prototype.close.call(server, () => resolve()))
}

function refused(address: ListenAddress, { option, errorCode }: ListenOptions, cause: unknown): StatsError {
  const hint =
    systemCodeOf(cause) === 'EADDRINUSE'
      ? 'the port is taken by another process; end that one or choose another port'
      : messageOf(cause)
  return new StatsError(errorCode, `${option} ${formatAddress(address)} cannot be used: ${hint}`, {
    cause,
    exitCode: ExitCode.unavailable,
  })
}
