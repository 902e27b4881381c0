import { closeSync, mkdirSync, openSync, readSync } from 'node:fs'
import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCodeOf } from '../platform/errors.js'
import type { Run } from './embedded-records.js'

// Messages lie in files that are written from front to end, each by one process; the database only says where. Pages of LMDB cost
// 2 to 4 ns of CPU a byte (a copy, a list of free pages, a sync of scattered pages), a new file 0.5, writing over an old one 0.2.

/** Below the bus directory. */
const folder = 'segments'

export function segmentPath(dir: string, segment: number): string {
  return join(dir, folder, `${String(segment).padStart(10, '0')}.log`)
}

export function makeSegmentFolder(dir: string): void {
  mkdirSync(join(dir, folder), { recursive: true })
}

/** The numbers of all segments that have a file. */
export async function segmentsOnDisk(dir: string): Promise<number[]> {
  const names = await readdir(join(dir, folder))
  return names.filter((name) => /^\d{10,}\.log$/.test(name)).map((name) => Number.parseInt(name, 10))
}

export async function removeSegmentFile(dir: string, segment: number): Promise<void> {
  await rm(segmentPath(dir, segment), { force: true })
}

/** A segment that this process writes. */
export class SegmentFile {
  readonly segment: number
  readonly #file: FileHandle
  #position = 0
  /** Behind all that was written, confirmed or not. */
  #end = 0
  /** Up to here the file was another segment's. */
  #formerBytes: number

  private constructor(segment: number, file: FileHandle, formerBytes: number) {
    this.segment = segment
    this.#file = file
    this.#formerBytes = formerBytes
  }

  /** Makes the file; its name is on disk when this resolves. */
  static async create(dir: string, segment: number): Promise<SegmentFile> {
    const file = await open(segmentPath(dir, segment), 'wx')
    return SegmentFile.#named(dir, file, () => new SegmentFile(segment, file, 0))
  }

  /**
   * Takes the file of `former`, which nobody may write any more, nor believe what is read of it; its new name is on disk when
   * this resolves. Where it rejects, nothing has the name.
   *
   * @param maxBytes what is behind that goes back to the disk
   */
  static async reuse(
    dir: string,
    { former, segment, maxBytes }: { former: number; segment: number; maxBytes: number },
  ): Promise<SegmentFile> {
    await rename(segmentPath(dir, former), segmentPath(dir, segment))
    try {
      const file = await open(segmentPath(dir, segment), 'r+')
      return await SegmentFile.#named(dir, file, async () => {
        const { size } = await file.stat()
        if (size > maxBytes) await file.truncate(maxBytes)
        return new SegmentFile(segment, file, Math.min(size, maxBytes))
      })
    } catch (error) {
      await removeSegmentFile(dir, segment)
      throw error
    }
  }

  static async #named(
    dir: string,
    file: FileHandle,
    make: () => SegmentFile | Promise<SegmentFile>,
  ): Promise<SegmentFile> {
    try {
      await syncDirectory(join(dir, folder))
      return await make()
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** Where the next write goes. */
  get position(): number {
    return this.#position
  }

  /**
   * The records are on disk when it resolves. Until `advance` the next write takes their place.
   *
   * @param isLast then the file ends behind them, whatever was there before
   */
  async write(records: readonly Uint8Array[], isLast = false): Promise<void> {
    let rest = joinSmall(records)
    let position = this.#position
    while (rest.length > 0) {
      const { bytesWritten } = await this.#file.writev(rest, position)
      position += bytesWritten
      this.#end = Math.max(this.#end, position)
      rest = behind(rest, bytesWritten)
    }
    if (isLast) await this.#cut()
    await this.#file.datasync()
  }

  advance(bytes: number): void {
    this.#position += bytes
  }

  async close(): Promise<void> {
    try {
      await this.#cut()
    } finally {
      await this.#file.close()
    }
  }

  /**
   * Gives back what is left of the former segment. Never once the segment is sealed: from then on another process may use
   * the file, which it does only when all of its messages are gone, but that may be at once.
   */
  async #cut(): Promise<void> {
    if (this.#formerBytes > this.#end) await this.#file.truncate(this.#end)
    this.#formerBytes = 0
  }
}

/** Files that stay open for the next read: a reader is mostly in one, and in as many as there are writers. */
const openFiles = 16

/** Reads runs from segments of any process. */
export class SegmentReader {
  readonly #dir: string
  /** Descriptors, the one used last at the end. */
  readonly #open = new Map<number, number>()

  constructor(dir: string) {
    this.#dir = dir
  }

  /** @returns the bytes of the run as far as they are there; undefined where there is no such file */
  read({ segment, position, bytes }: Run): Buffer | undefined {
    const descriptor = this.#descriptor(segment)
    if (descriptor === undefined) return undefined
    const buffer = Buffer.allocUnsafeSlow(bytes)
    let length = 0
    while (length < bytes) {
      const read = readSync(descriptor, buffer, length, bytes - length, position + length)
      if (read === 0) break
      length += read
    }
    return buffer.subarray(0, length)
  }

  /** Lets go of files, whose room would stay taken as long as they are open. */
  keep(isThere: (segment: number) => boolean): void {
    for (const segment of this.#open.keys()) if (!isThere(segment)) this.#close(segment)
  }

  close(): void {
    this.keep(() => false)
  }

  #descriptor(segment: number): number | undefined {
    const descriptor = this.#open.get(segment) ?? this.#openFile(segment)
    if (descriptor === undefined) return undefined
    this.#open.delete(segment)
    this.#open.set(segment, descriptor)
    const [oldest] = this.#open.keys()
    if (this.#open.size > openFiles && oldest !== undefined) this.#close(oldest)
    return descriptor
  }

  #openFile(segment: number): number | undefined {
    try {
      return openSync(segmentPath(this.#dir, segment), 'r')
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  #close(segment: number): void {
    const descriptor = this.#open.get(segment)
    this.#open.delete(segment)
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

/** Below this a copy is cheaper than one more buffer for the kernel. */
const smallBytes = 2048

/** The same bytes with neighbours that are small in one buffer. */
function joinSmall(records: readonly Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = []
  let small: Uint8Array[] = []
  for (const record of records) {
    if (record.length < smallBytes) {
      small.push(record)
      continue
    }
    if (small.length > 0) joined.push(Buffer.concat(small))
    small = []
    joined.push(record)
  }
  if (small.length > 0) joined.push(Buffer.concat(small))
  return joined
}

function behind(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let left = bytes
  return buffers.flatMap((buffer) => {
    const skipped = Math.min(left, buffer.length)
    left -= skipped
    return skipped === buffer.length ? [] : [buffer.subarray(skipped)]
  })
}

/** So that the name of a new file survives a power failure too. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
