import { chmod, lstat, rename, unlink } from 'node:fs/promises'
import type { Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { dirname, join } from 'node:path'
import { formatAddress, type ListenAddress } from '../platform/hosts.js'
import { ExitCode, messageOf, StatsError, systemCodeOf } from '../platform/errors.js'

const closeTimeoutMs = 1000

/** A server that listens, and how to end that. */
export interface Listening {
  readonly address: ListenAddress
  /** Takes no more connections, and removes a unix socket's file if it is still this server's. */
  close(): Promise<void>
}

/**
 * Listens. A unix socket file that nobody serves any more is replaced; one that is served is refused.
 * Rejects with a StatsError with exit code 69 where the address cannot be had.
 *
 * @param socketMode permissions of a unix socket's file, such as 0o660
 * @param replaceLive also takes the place of a unix socket that is being served: for a process that is to end
 */
export async function listenForIsolator(
  server: Server,
  address: ListenAddress,
  { socketMode, replaceLive }: { socketMode: number; replaceLive: boolean },
): Promise<Listening> {
  try {
    if (address.kind === 'tcp') return await listenOnTcp(server, address.host, address.port)
    return await listenOnUnix(server, address.path, socketMode, replaceLive)
  } catch (cause) {
    throw cause instanceof StatsError ? cause : refused(address, cause)
  }
}

async function listenOnTcp(server: Server, host: string, port: number): Promise<Listening> {
  await listening(server, { host, port, exclusive: true })
  const bound = server.address() as AddressInfo
  return { address: { kind: 'tcp', host: bound.address, port: bound.port }, close: () => closed(server) }
}

async function listenOnUnix(server: Server, path: string, mode: number, replaceLive: boolean): Promise<Listening> {
  await refuseWhatIsThere(path, replaceLive)
  // Bound beside its place and then moved there: so the file has its mode from the first moment, and
  // there is no moment without a file while a stale or a former one is replaced.
  const beside = join(dirname(path), `.${process.pid}`)
  await unlink(beside).catch(() => {})
  await listening(server, { path: beside })
  await chmod(beside, mode)
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

async function refuseWhatIsThere(path: string, replaceLive: boolean): Promise<void> {
  const there = await lstat(path).catch(() => undefined)
  if (there === undefined) return
  if (!there.isSocket()) throw inTheWay(path, 'there is a file at that place which is no socket; remove it or choose')
  if (!replaceLive && (await isServed(path))) throw inTheWay(path, 'another process serves it; end that one or choose')
}

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
  return new Promise((resolve) => {
    // Whoever has not said what he wants by now is not waited for.
    const timer = setTimeout(() => server.closeAllConnections(), closeTimeoutMs)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
}

function inTheWay(path: string, what: string): StatsError {
  const message = `--isolator-listen unix:${path} cannot be used: ${what} another path`
  return new StatsError('DS_ISOLATOR_LISTEN', message, { exitCode: ExitCode.unavailable })
}

function refused(address: ListenAddress, cause: unknown): StatsError {
  const hint =
    systemCodeOf(cause) === 'EADDRINUSE'
      ? 'the port is taken by another process; end that one or choose another port'
      : messageOf(cause)
  return new StatsError('DS_ISOLATOR_LISTEN', `--isolator-listen ${formatAddress(address)} cannot be used: ${hint}`, {
    cause,
    exitCode: ExitCode.unavailable,
  })
}
