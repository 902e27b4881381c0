import { chmod, lstat, rename, unlink } from 'node:fs/promises'
import { type AddressInfo, connect, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { type ErrorCode, ExitCode, messageOf, StatsError, systemCodeOf } from './errors.js'
import { formatAddress, type HostPort, type ListenAddress } from './hosts.js'
import type { InheritedServer } from './inheritance.js'

/** A server that listens, and how to end that. */
export interface Listening {
  /** With the port that the kernel chose where 0 was asked for. */
  readonly address: ListenAddress
  /**
   * Takes no more connections, and removes a unix socket's file if it is still this server's. Resolves when the last
   * connection has ended; to see to that is the server's own business.
   */
  close(): Promise<void>
}

export interface ListenOptions {
  /** The option that gave the address, for messages: `--isolator-listen`. */
  readonly option: string
  readonly errorCode: ErrorCode
  /** Permissions of a unix socket's file; 0o660 unless given. */
  readonly socketMode?: number
  /** Also takes the place of a unix socket that is being served: for a process that is to end. */
  readonly replaceLive?: boolean
  /** A socket that listened there for the process before this one; asked for port 0, it may be of any port. */
  readonly inherit?: ((host: string, port: number) => InheritedServer | undefined) | undefined
}

/**
 * Listens. A unix socket file that nobody serves any more is replaced; one that is served is refused.
 * Rejects with a StatsError with exit code 69 where the address cannot be had.
 */
export async function listenAt(server: Server, address: ListenAddress, options: ListenOptions): Promise<Listening> {
  try {
    return await (address.kind === 'tcp'
      ? listenOnTcp(server, address, options)
      : listenOnUnix(server, address.path, options))
  } catch (cause) {
    throw refused(address, options, cause)
  }
}

async function listenOnTcp(server: Server, { host, port }: HostPort, { inherit }: ListenOptions): Promise<Listening> {
  const inherited = inherit?.(host, port)
  if (inherited === undefined) await listening(server, { host, port, exclusive: true })
  else await listenOn(server, inherited)
  const bound = server.address() as AddressInfo
  return { address: { kind: 'tcp', host: bound.address, port: bound.port }, close: () => closed(server) }
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
  const { ino } = await lstat(beside)
  await rename(beside, path)
  return {
    address: { kind: 'unix', path },
    async close() {
      const now = await lstat(path).catch(() => undefined)
      if (now?.ino === ino) await unlink(path).catch(() => {})
      await closed(server)
    },
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

function listenOn(server: Server, inherited: InheritedServer): Promise<void> {
  return new Promise((resolve) => {
    server.listen(inherited.server, () => resolve())
    for (const connection of inherited.connections) server.emit('connection', connection)
  })
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
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
