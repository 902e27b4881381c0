import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { makeDirectory } from '../platform/directory.js'
import { messageOf } from '../platform/errors.js'
import { type Listening, listenAt } from '../platform/listen.js'
import type { Log } from '../telemetry/log.js'

/** The unix socket by which a process that wants to take over finds the running one. */
export interface ControlSocket {
  close(): Promise<void>
}

/**
 * Each connection is the other end of the IPC channel of a process that wants to take over; nothing is read from it here.
 * Where the socket cannot be had, the log says so, and nobody can take over.
 */
export function openControlSocket(path: string, onConnection: (connection: Socket) => void, log: Log): ControlSocket {
  const server = createServer({ pauseOnConnect: true }, onConnection)
  const opening = open()

  return {
    async close() {
      await (await opening)?.close()
    },
  }

  async function open(): Promise<Listening | undefined> {
    try {
      await makeDirectory(dirname(path))
      // A live one is that of the process before this one, which ends.
      const options = {
        option: '--state-path-dir',
        errorCode: 'DS_CONTROL',
        socketMode: 0o600,
        replaceLive: true,
      } as const
      return await listenAt(server, { kind: 'unix', path }, options)
    } catch (cause) {
      log.warn(
        { cause: messageOf(cause) },
        'this process can be restarted by SIGHUP once, and --takeover does not find it',
      )
      return undefined
    }
  }
}

/** Undefined where nobody listens there. */
export async function connectTo(path: string): Promise<Socket | undefined> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return socket
  } catch {
    return undefined
  }
}

/** Both ends of a connection; from the first one nothing has been read. */
export async function connectedPair(): Promise<[near: Socket, far: Socket]> {
  const folder = await mkdtemp(join(tmpdir(), 'dcos-stats-'))
  try {
    const path = join(folder, 's')
    const server = createServer({ pauseOnConnect: true }).listen(path)
    await once(server, 'listening')
    const accepted = once(server, 'connection')
    const far = connect(path)
    await once(far, 'connect')
    const [near] = await accepted
    server.close()
    return [near, far]
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
