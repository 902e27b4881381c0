import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rename, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { type Database, open, type RootDatabase } from 'lmdb'
import type { Clock } from '../platform/clock.js'
import { messageOf, StatsError, systemCodeOf } from '../platform/errors.js'
import { requireLmdbFile } from '../platform/lmdb-file.js'
import type { Log } from '../telemetry/log.js'
import { busFull, damaged, isFullCode, unwritable } from './embedded-format.js'

type Table = Database<Buffer, Buffer>

/**
 * The tables of the bus. Keys and values are made in embedded-records.ts; messages themselves lie in segments.
 *
 * They lie in two files, each with a writer's lock of its own: what finds messages, and groups with their places.
 * So readers that commit do not hold up who publishes: in one file, one reader that keeps up halved the rate.
 */
export interface Env {
  readonly dir: string
  /** One record, the LogRecord; its version is the number of appends, on which appends depend. */
  readonly log: Table
  /** Topic id -> name. */
  readonly topics: Table
  /** Partition -> offset of its next message. */
  readonly heads: Table
  /** Number of a run -> Run, in the order of appends over all topics. */
  readonly runs: Table
  /** Partition and first offset of a run -> its number. */
  readonly index: Table
  /** Number of a segment -> SegmentRecord. */
  readonly segments: Table
  /** Group -> GroupRecord; its version is its generation, on which every change of members and owners depends. */
  readonly groups: Table
  /** Group and partition -> PlaceRecord; its version changes with every commit and every owner. */
  readonly places: Table
  /** Makes what other processes have committed visible to the reads that follow, in one snapshot of each file. */
  refresh(): void
  /**
   * Commits `write`, all of it in the file of `table`, in one transaction, if the record still has `version` (undefined: if
   * there is none yet); else resolves with false. Other processes cannot come between. Messages are on disk when it
   * resolves; of groups a power failure can undo the newest commit, which makes a batch come again.
   *
   * @throws StatsError DS_BUS_FULL or DS_BUS_WRITE_FAILED: nothing of it has been stored
   */
  commitIf(table: Table, key: Buffer, version: number | undefined, write: () => void): Promise<boolean>
  /** Commits writes to `places` in one transaction; resolves with the result of each. @throws as `commitIf` */
  commitPlaces(write: () => Promise<boolean>[]): Promise<boolean[]>
  /** Forgets processes that died while they read: the pages that they saw can be used again. */
  forgetDeadReaders(): void
  close(): Promise<void>
}

/** An option of LMDB that the types of the package leave out; see `tick`. */
const withoutKeptFreeList: object = { maxFreeSpaceToRetain: 0 }

/** Only address space: the file is as large as what was in it at most. LMDB could grow it, but every process would have to follow. */
const mapBytes = 64 * 2 ** 30

/** Local processes, two each. */
const maxReaders = 512

const reservedBytes = 512 * 1024

const lockWaitWarnMs = 10_000

/** @throws StatsError with an exit code where the directory cannot be used */
export async function openEnv({ dir, clock, log }: { dir: string; clock: Clock; log: Log }): Promise<Env> {
  for (const name of fileNames) {
    await requireLmdbFile(join(dir, name)).catch((error: unknown) => {
      throw damaged(dir, error)
    })
    await makeFile(dir, name)
  }
  const index = openFile(dir, 'index')
  const groups = openFile(dir, 'groups')
  const files = [index, groups]
  const tables = openTables(dir, index, groups)
  return {
    dir,
    ...tables.index,
    ...tables.groups,
    refresh() {
      for (const file of files) file.resetReadTxn()
    },
    async commitIf(on, key, version, write) {
      const [done] = await commit(on === tables.groups.groups ? 'groups' : 'index', () => [
        version === undefined ? on.ifNoExists(key, write) : on.ifVersion(key, version, write),
      ])
      return done === true
    },
    commitPlaces: (write) => commit('groups', write),
    forgetDeadReaders() {
      for (const file of files) file.readerCheck()
    },
    async close() {
      await Promise.all(files.map((file) => file.close()))
    },
  }

  function commit(name: FileName, write: () => Promise<boolean>[]): Promise<boolean[]> {
    let results: Promise<boolean>[] = []
    const batch = (name === 'groups' ? groups : index).batch(() => {
      tick(tables[name].room)
      results = write()
    })
    return settle(Promise.all([batch, ...results]).then(([, ...each]) => each))
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

const fileNames = ['index', 'groups'] as const
type FileName = (typeof fileNames)[number]
type File = RootDatabase<Buffer, Buffer>

/**
 * Makes a file with all of its tables beside its place and moves it there: where several processes made the same file at once,
 * each a few tables, it came out damaged one time in fifty.
 */
async function makeFile(dir: string, name: FileName): Promise<void> {
  if (existsSync(join(dir, name, 'data.mdb'))) return
  const draft = `${name}.${randomUUID()}`
  const file = openFile(dir, draft)
  try {
    tablesOf[name](file)
    reserveRoom(file)
  } catch (error) {
    throw unwritable(dir, error)
  } finally {
    await file.close()
  }
  await rm(join(dir, draft, 'lock.mdb'), { force: true })
  try {
    await rename(join(dir, draft), join(dir, name))
  } catch (error) {
    await rm(join(dir, draft), { recursive: true, force: true })
    // Another process was first.
    if (!['ENOTEMPTY', 'EEXIST'].includes(systemCodeOf(error) ?? '')) throw unwritable(dir, error)
  }
}

const tablesOf = {
  index: (file: File) =>
    file.transactionSync(() => ({
      room: openRoom(file),
      log: openTable(file, 'log', true),
      topics: openTable(file, 'topics'),
      heads: openTable(file, 'heads'),
      runs: openTable(file, 'runs'),
      index: openTable(file, 'index'),
      segments: openTable(file, 'segments'),
    })),
  groups: (file: File) =>
    file.transactionSync(() => ({
      room: openRoom(file),
      groups: openTable(file, 'groups', true),
      places: openTable(file, 'places', true),
    })),
}

function openTables(dir: string, index: File, groups: File) {
  try {
    return { index: tablesOf.index(index), groups: tablesOf.groups(groups) }
  } catch (error) {
    void index.close()
    void groups.close()
    throw unwritable(dir, error)
  }
}

/**
 * Pages that are free inside of the files: where segments have filled the disk, readers can still join, commit and so come to
 * the end of what is there, and what is beyond the retention can be removed.
 */
function reserveRoom(file: File): void {
  const key = Buffer.from('reserved')
  file.transactionSync(() => openRoom(file).putSync(key, Buffer.alloc(reservedBytes)))
  file.transactionSync(() => openRoom(file).removeSync(key))
}

function openRoom(file: File): Table {
  const room = openTable(file, 'room')
  tick(room)
  return room
}

let ticks = 0

/**
 * To be called in every transaction, so that each changes something. LMDB, as the lmdb package has it, keeps its list of free
 * pages from one transaction to the next as long as the number of the newest transaction is that of its own. One that changes
 * nothing (a condition that was not met, a table that was there) takes a number too and is not written, so the next process takes the
 * same number and the same free pages: from then on both write to the same pages, and what was acknowledged is lost.
 */
function tick(room: Table): void {
  const value = Buffer.alloc(8)
  value.writeDoubleBE(++ticks)
  void room.put(Buffer.from('tick'), value)
}

function openTable(file: File, name: string, useVersions = false): Table {
  return file.openDB({ name, encoding: 'binary', keyEncoding: 'binary', cache: false, useVersions })
}

function openFile(dir: string, name: string): File {
  try {
    return open<Buffer, Buffer>({
      path: join(dir, name),
      noSubdir: false,
      mapSize: mapBytes,
      maxReaders,
      maxDbs: 16,
      cache: false,
      // Commits are on disk before anybody sees them: what was published survives a power failure as well.
      overlappingSync: false,
      noMetaSync: name.startsWith('groups'),
      ...withoutKeptFreeList,
      // The bus makes its own batches; LMDB's promises of an event turn would reject with nobody listening.
      eventTurnBatching: false,
    })
  } catch (error) {
    throw unwritable(dir, error)
  }
}

/** What an error of LMDB or of the file system means. @returns DS_BUS_FULL or DS_BUS_WRITE_FAILED */
export async function writeError(dir: string, error: unknown): Promise<StatsError> {
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
