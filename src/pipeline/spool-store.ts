import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { type Database, open, type RootDatabase } from 'lmdb'
import { messageOf, StatsError } from '../platform/errors.js'
import { requireLmdbFile } from '../platform/lmdb-file.js'
import { prepareSpoolDir, unusable } from './spool-dir.js'
import { commitCauseOf, type Ownership, type OwnershipOptions, ownerKey, taken, takeOwnership } from './spool-owner.js'

/** What a spool keeps together: the bytes of some lists. */
export interface SpoolEntry {
  /** Grows by one from entry to entry. */
  readonly seq: number
  readonly datapoints: number
  /** What its lists take in memory, about. */
  readonly weight: number
  /** What it takes on disk, nearly. */
  readonly diskBytes: number
}

export interface NewSpoolEntry {
  readonly bytes: Uint8Array
  readonly datapoints: number
  readonly weight: number
}

/** A queue in a directory, for one process at a time. What is committed survives the end of the process in any way. */
export interface SpoolStore {
  /** What was in it when it was opened. */
  readonly found: {
    readonly datapoints: number
    readonly diskBytes: number
    /** Of the datapoints, those of the first entries, as far as the `window` of the process before reached. */
    readonly windowDatapoints: number
  }
  /** The number that the next entry will have. */
  readonly nextSeq: number
  /**
   * Appends and removes in one transaction, on disk when it resolves; resolves with the new entries.
   *
   * @throws StatsError DS_SPOOL_TAKEN (exit code 78) where another process has taken the spool over, DS_SPOOL_WRITE without
   *   an exit code where it could not be written (a full disk, say): nothing has changed then
   */
  commit(append: readonly NewSpoolEntry[], remove: readonly SpoolEntry[]): Promise<SpoolEntry[]>
  /** Entries with this number and above, oldest first. */
  entriesFrom(seq: number): Iterable<SpoolEntry>
  /** An entry's bytes; undefined where it is not there. */
  read(entry: SpoolEntry): Uint8Array | undefined
  close(): Promise<void>
}

type Table = Database<Buffer, Buffer>

interface Tables {
  readonly root: RootDatabase<Buffer, Buffer>
  /** Seq, datapoints, weight and length -> the bytes. */
  readonly entries: Table
  /** One record, the Owner; its version changes with each owner, and every commit depends on it. */
  readonly owner: Table
}

/**
 * Opens a spool, made where it is missing, and takes it for this process.
 *
 * @throws StatsError with exit code 78, see `prepareSpoolDir`, and DS_SPOOL_TAKEN where another process uses it
 */
export async function openSpoolStore(options: OwnershipOptions): Promise<SpoolStore> {
  await prepareSpoolDir(options.dir)
  const dir = await realpath(options.dir)
  await requireLmdbFile(join(dir, 'data')).catch((error: unknown) => {
    throw unusable(options.dir, error)
  })
  const tables = openTables(dir)
  try {
    const ownership = await takeOwnership(tables.owner, { ...options, dir })
    return new LmdbSpoolStore(dir, tables, ownership)
  } catch (error) {
    await tables.root.close()
    throw error instanceof StatsError ? error : unusable(options.dir, error)
  }
}

class LmdbSpoolStore implements SpoolStore {
  readonly found: SpoolStore['found']
  nextSeq = 1
  readonly #dir: string
  readonly #tables: Tables
  readonly #ownership: Ownership

  constructor(dir: string, tables: Tables, ownership: Ownership) {
    this.#dir = dir
    this.#tables = tables
    this.#ownership = ownership
    const found = { datapoints: 0, diskBytes: 0, windowDatapoints: 0 }
    let weightBefore = 0
    for (const { seq, datapoints, diskBytes, weight } of this.entriesFrom(0)) {
      found.datapoints += datapoints
      found.diskBytes += diskBytes
      if (weightBefore < ownership.formerWindow) found.windowDatapoints += datapoints
      weightBefore += weight
      this.nextSeq = seq + 1
    }
    this.found = found
  }

  async commit(append: readonly NewSpoolEntry[], remove: readonly SpoolEntry[]): Promise<SpoolEntry[]> {
    const { owner, entries } = this.#tables
    const added = append.map(({ bytes, datapoints, weight }, at) => ({
      seq: this.nextSeq + at,
      datapoints,
      weight,
      length: bytes.length,
      diskBytes: diskBytesOf(bytes.length),
    }))
    const write = () => {
      for (const [at, entry] of added.entries()) void entries.put(keyOf(entry), asBuffer(append[at] as NewSpoolEntry))
      for (const entry of remove) void entries.remove(keyOf(entry as StoredEntry))
    }
    const isOwner = await owner.ifVersion(ownerKey, this.#ownership.version, write).catch(async (error: unknown) => {
      throw writeError(this.#dir, await commitCauseOf(error))
    })
    if (!isOwner) throw taken(this.#dir, 'another process has taken it over meanwhile')
    this.nextSeq += added.length
    return added
  }

  *entriesFrom(seq: number): Iterable<SpoolEntry> {
    this.#tables.root.resetReadTxn()
    for (const key of this.#tables.entries.getKeys({ start: seqKey(seq) })) yield entryOf(key)
  }

  read(entry: SpoolEntry): Uint8Array | undefined {
    return this.#tables.entries.getBinary(keyOf(entry as StoredEntry))
  }

  async close(): Promise<void> {
    await this.#ownership.giveUp()
    await this.#tables.root.close()
  }
}

function openTables(dir: string): Tables {
  let root: RootDatabase<Buffer, Buffer> | undefined
  try {
    root = open<Buffer, Buffer>({
      path: join(dir, 'data'),
      noSubdir: false,
      maxDbs: 4,
      cache: false,
      // Only what is on disk counts as taken.
      overlappingSync: false,
      // Commits are grouped here; LMDB's promises of an event turn would reject with nobody listening.
      eventTurnBatching: false,
    })
    const table = { encoding: 'binary', keyEncoding: 'binary', cache: false } as const
    return {
      root,
      entries: root.openDB({ ...table, name: 'entries' }),
      owner: root.openDB({ ...table, name: 'owner', useVersions: true }),
    }
  } catch (error) {
    void root?.close()
    throw unusable(dir, error)
  }
}

interface StoredEntry extends SpoolEntry {
  readonly length: number
}

// Everything but the bytes is in the key, big-endian, so that a look at the whole spool reads no bytes.
function keyOf({ seq, datapoints, weight, length }: StoredEntry): Buffer {
  const key = Buffer.allocUnsafe(20)
  key.writeBigUInt64BE(BigInt(seq), 0)
  key.writeUInt32BE(datapoints, 8)
  key.writeUInt32BE(weight, 12)
  key.writeUInt32BE(length, 16)
  return key
}

function entryOf(key: Buffer): StoredEntry {
  const length = key.readUInt32BE(16)
  return {
    seq: Number(key.readBigUInt64BE(0)),
    datapoints: key.readUInt32BE(8),
    weight: key.readUInt32BE(12),
    length,
    diskBytes: diskBytesOf(length),
  }
}

function seqKey(seq: number): Buffer {
  const key = Buffer.allocUnsafe(8)
  key.writeBigUInt64BE(BigInt(seq), 0)
  return key
}

const pageBytes = 4096

/** What a value takes on disk, nearly: LMDB keeps small ones in shared pages and gives larger ones pages of their own. */
export function diskBytesOf(length: number): number {
  return length < 2000 ? length + 48 : Math.ceil((length + 16) / pageBytes) * pageBytes
}

function asBuffer({ bytes: { buffer, byteOffset, byteLength } }: NewSpoolEntry): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

function writeError(dir: string, cause: unknown): StatsError {
  return new StatsError('DS_SPOOL_WRITE', `The spool in ${dir} could not be written: ${messageOf(cause)}`, { cause })
}
