import { realpath } from 'node:fs/promises'
import type { Clock } from '../platform/clock.js'
import { Heartbeats } from '../platform/heartbeats.js'
import type { Log } from '../telemetry/log.js'
import { type Env, openEnv } from './embedded-env.js'
import { prepareBusDir, unwritable } from './embedded-format.js'
import { makeSegmentFolder } from './embedded-segments.js'
import { Store } from './embedded-store.js'
import { openWakeFile, type WakeFile } from './embedded-wake.js'
import { Writer } from './embedded-writer.js'

export interface DirOptions {
  readonly dir: string
  readonly clock: Clock
  readonly log: Log
  readonly leaseMs: number
}

interface OpenDir {
  readonly env: Env
  readonly store: Store
  readonly writer: Writer
  readonly wake: WakeFile
  readonly heartbeats: Heartbeats
}

/** A bus directory as all users of one process share it. */
export interface SharedDir extends OpenDir {
  /** Closes the directory where nobody else of the process uses it. */
  release(): Promise<void>
}

interface Entry {
  users: number
  readonly opening: Promise<OpenDir>
  closing?: Promise<void>
}

// By directory, for the whole process: LMDB does not bear being opened twice, and one queue of appends makes larger transactions.
const entries = new Map<string, Entry>()

/** @throws StatsError with exit code 78 where the directory cannot be used, see `prepareBusDir` */
export async function shareDir(options: DirOptions): Promise<SharedDir> {
  const { dir } = options
  const { partitions } = await prepareBusDir(dir)
  const path = await realpath(dir)
  await entries.get(path)?.closing
  const entry = entries.get(path) ?? { users: 0, opening: openDir({ ...options, dir: path, partitions }) }
  entries.set(path, entry)
  entry.users++
  try {
    const open = await entry.opening
    return { ...open, release: once(() => release(path, entry, open)) }
  } catch (error) {
    entries.delete(path)
    throw error
  }
}

async function openDir(options: DirOptions & { partitions: number }): Promise<OpenDir> {
  const { dir, partitions, clock, leaseMs } = options
  const env = await openEnv(options)
  try {
    makeSegmentFolder(dir)
    const wake = openWakeFile(options)
    const heartbeats = new Heartbeats(dir, clock, leaseMs)
    const store = new Store(env, partitions)
    return { env, wake, heartbeats, store, writer: new Writer({ env, store, wake, clock }) }
  } catch (error) {
    await env.close()
    throw unwritable(dir, error)
  }
}

async function release(path: string, entry: Entry, { env, store, writer, wake }: OpenDir): Promise<void> {
  entry.users--
  if (entry.users > 0) return
  entry.closing = close()
  await entry.closing

  async function close(): Promise<void> {
    await writer.close()
    store.close()
    wake.close()
    await env.close()
    entries.delete(path)
  }
}

function once(run: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined
  return () => {
    done ??= run()
    return done
  }
}
