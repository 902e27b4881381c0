import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { type Database, open, type RootDatabase } from 'lmdb'
import type { Clock } from '../platform/clock.js'
import { messageOf, StatsError } from '../platform/errors.js'
import type { Log } from '../telemetry/log.js'
import { busFull, isFullCode, unwritable } from './embedded-format.js'

type Table = Database<Buffer, Buffer>

/** The tables of the bus. Keys and values are made in embedded-records.ts. */
export interface Env {
  readonly dir: string
  /** One record, the LogRecord; its version is the number of appends, on which appends depend. */
  readonly log: Table
  /** Topic id -> name. */
  readonly topics: Table
  /** Partition -> offset of its next message. */
  readonly heads: Table
  /** Partition and offset -> message. */
  readonly messages: Table
  /** Number of a run -> Run, in the order of appends over all topics. */
  readonly runs: Table
  /** Group -> GroupRecord; its version is its generation, on which every change of members and owners depends. */
  readonly groups: Table
  /** Group and partition -> PlaceRecord; its version changes with every commit and every owner. */
  readonly places: Table
  /** Makes what other processes have committed visible to the reads that follow, all of them in one snapshot. */
  refresh(): void
  /**
   * Commits `write` in one transaction, on disk when it resolves, if the record still has `version` (undefined: if there
   * is none yet); else resolves with false. Other processes cannot come between.
   *
   * @throws StatsError DS_BUS_FULL or DS_BUS_WRITE_FAILED: nothing of it has been stored
   */
  commitIf(table: Table, key: Buffer, version: number | undefined, write: () => void): Promise<boolean>
  /** Commits the writes of `write` in one transaction; their own results and errors are in the promises that it returns. */
  commitAll(write: () => Promise<boolean>[]): Promise<boolean[]>
  /** Forgets processes that died while they read: the pages that they saw can be used again. */
  forgetDeadReaders(): void
  close(): Promise<void>
}

/** Only address space: the file is as large as what was in it at most. LMDB could grow it, but every process would have to follow. */
const mapBytes = 64 * 2 ** 30

/** Local processes, two each. */
const maxReaders = 512

const lockWaitWarnMs = 10_000

/** @throws StatsError with an exit code where the directory cannot be used */
export function openEnv({ dir, clock, log }: { dir: string; clock: Clock; log: Log }): Env {
  const root = openRoot(dir)
  const tables = openTables(dir, root)
  return {
    dir,
    ...tables,
    refresh: () => root.resetReadTxn(),
    commitIf: (on, key, version, write) =>
      settle(version === undefined ? on.ifNoExists(key, write) : on.ifVersion(key, version, write)),
    commitAll(write) {
      let results: Promise<boolean>[] = []
      const batch = root.batch(() => {
        results = write()
      })
      return settle(Promise.all([batch, ...results]).then(([, ...each]) => each))
    },
    forgetDeadReaders: () => void root.readerCheck(),
    close: () => root.close(),
  }

  async function settle<T>(write: Promise<T>): Promise<T> {
    const cancel = clock.after(lockWaitWarnMs, () =>
      log.warn({ dir }, 'embedded bus: another process has been writing for long, waiting for it'),
    )
    try {
      return await write
    } catch (error) {
      throw await writeError(dir, error)
    } finally {
      cancel()
    }
  }
}

function openTables(dir: string, root: RootDatabase<Buffer, Buffer>) {
  const table = (name: string, useVersions = false): Table =>
    root.openDB({ name, encoding: 'binary', keyEncoding: 'binary', cache: false, useVersions })
  try {
    return {
      log: table('log', true),
      topics: table('topics'),
      heads: table('heads'),
      messages: table('messages'),
      runs: table('runs'),
      groups: table('groups', true),
      places: table('places', true),
    }
  } catch (error) {
    void root.close()
    throw unwritable(dir, error)
  }
}

function openRoot(dir: string): RootDatabase<Buffer, Buffer> {
  try {
    return open<Buffer, Buffer>({
      path: join(dir, 'data'),
      noSubdir: false,
      mapSize: mapBytes,
      maxReaders,
      maxDbs: 16,
      cache: false,
      // Commits are on disk before anybody sees them: what was published survives a power failure as well.
      overlappingSync: false,
      // The bus makes its own batches; LMDB's promises of an event turn would reject with nobody listening.
      eventTurnBatching: false,
    })
  } catch (error) {
    throw unwritable(dir, error)
  }
}

async function writeError(dir: string, error: unknown): Promise<StatsError> {
  const cause = await causeOf(error)
  const code = (cause as { code?: unknown }).code
  if (isFullCode(code) || (await isFull(dir))) return busFull(dir, cause)
  return new StatsError('DS_BUS_WRITE_FAILED', `The embedded bus could not write in ${dir}: ${messageOf(cause)}.`, {
    cause,
  })
}

// A disk that takes only a part of a write shows as EIO in LMDB.
const roomBytes = 2 * 1024 * 1024

async function isFull(dir: string): Promise<boolean> {
  const { bavail, bsize } = await statfs(dir)
  return bavail * bsize < roomBytes
}

// lmdb rejects with a general error whose `commitError` is a promise that rejects with the reason.
async function causeOf(error: unknown): Promise<unknown> {
  const commitError = (error as { commitError?: Promise<unknown> }).commitError
  if (commitError === undefined) return error
  return commitError.then(
    () => error,
    (reason: unknown) => reason,
  )
}
