import type { MetricList } from '../model/metric-list.js'
import { messageOf, StatsError } from '../platform/errors.js'
import { type BlockLayout, encodeOcfBlock, newSyncMarker } from './avro-block.js'
import { BlockReader, type ListTarget } from './avro-block-reader.js'
import { AvroCursor, malformed, tooLarge } from './avro-cursor.js'
import { encodeOcfHeader, type OcfHeader, OcfHeaderParser, syncMarkerBytes } from './avro-header.js'
import { ByteGatherer } from './byte-gatherer.js'
import type { ListJoiner } from './list-joiner.js'

export { encodeHead, encodeOcfBlock } from './avro-block.js'
export { encodeOcfHeader, type OcfCodec, syncMarkerBytes } from './avro-header.js'

/** What a reader accepts; more is a fault of the sender's. */
export interface OcfLimits {
  readonly headerBytes: number
  /** The size that a block declares, as it comes over the wire. */
  readonly blockBytes: number
  readonly inflatedBlockBytes: number
  /** Lists can be three bytes small, but are objects in memory. */
  readonly blockLists: number
}

export const defaultOcfLimits: OcfLimits = {
  headerBytes: 1024 * 1024,
  blockBytes: 16 * 1024 * 1024,
  inflatedBlockBytes: 64 * 1024 * 1024,
  blockLists: 1024 * 1024,
}

/**
 * Reads one Avro object container file that comes in pieces, of any size.
 *
 * - `push` gives the lists that the piece completes. It never throws on what a peer sends: it sets `fault`, gives what was
 *   complete before it, and ignores everything after it.
 * - Lists are views: their datapoints lie in the piece itself where a block lay whole in it, so a piece must not be changed
 *   after it was pushed (Node's sockets never do), and a list that is kept for long keeps its piece (64 KiB from a socket), or
 *   as much of what was inflated of it.
 * - Lists whose tags have the same bytes get the same `tags` array, as long as it is among those seen lately.
 * - Held besides: less than one block (see `OcfLimits`) and its head.
 */
export interface OcfReader {
  push(bytes: Uint8Array): MetricList[]
  /**
   * Reads on in a piece, from `start`, until it is read or has given some hundred lists: to be called again from where it stopped.
   *
   * @param lists what became complete is put behind them
   * @param joiner where small lists are to be joined: what became of them is behind all others then
   * @returns where it stopped
   */
  readSome(bytes: Uint8Array, start: number, lists: MetricList[], joiner?: ListJoiner): number
  /** The stream is over: a fault where it ends inside a header or a block. There are never lists left. */
  end(): MetricList[]
  readonly fault: StatsError | undefined
  /** True once the header has been read and understood. */
  readonly opened: boolean
  /** How many of the pushed bytes made no list: what waits for the rest of its block, or came with and after a fault. */
  readonly undecodedBytes: number
}

export function createOcfReader(limits: Partial<OcfLimits> = {}): OcfReader {
  return new StreamReader({ ...defaultOcfLimits, ...limits })
}

/**
 * A container file as a whole: header and at most one block, for a message of the bus.
 *
 * @param headroom so many bytes in front of the result, in its ArrayBuffer, are for who puts something in front of it
 * @param heads the `encodeHead` of each list, where it is known already
 */
export function encodeContainerFile(
  lists: readonly MetricList[],
  { headroom = 0, ...layout }: Pick<BlockLayout, 'headroom' | 'heads'> = {},
): Buffer {
  const syncMarker = newSyncMarker()
  if (lists.length === 0) return encodeOcfHeader(syncMarker)
  return encodeOcfBlock(lists, syncMarker, 'null', { ...layout, withHeader: true, headroom }).subarray(headroom)
}

/** Reads a container file as a whole; with a `fault`, `lists` are those that were complete before it. */
export function decodeContainerFile(bytes: Uint8Array): { lists: MetricList[]; fault?: StatsError } {
  const reader = createOcfReader()
  const lists = reader.push(bytes)
  reader.end()
  return reader.fault === undefined ? { lists } : { lists, fault: reader.fault }
}

interface BlockHead {
  readonly lists: number
  readonly size: number
  /** Where the block's data begin, counted from the block's first byte. */
  readonly byteLength: number
}

/** After so many, `readSome` stops behind the block. */
const someLists = 512

/** What is read at once: until there are enough lists, joined ones counted as they came. */
interface Slice extends ListTarget {
  readonly enough: number
}

function isEnough({ lists, enough, joiner }: Slice): boolean {
  return lists.length + (joiner?.taken ?? 0) >= enough
}

/** How the messages end that say what is wrong with a block. */
const adviceFor: Readonly<Record<string, string | undefined>> = {
  DS_AVRO_MALFORMED: 'what the sender wrote is corrupt',
  DS_AVRO_TOO_LARGE: 'write smaller blocks',
}

/** Two longs. */
const longestBlockHead = 20

class StreamReader implements OcfReader {
  fault: StatsError | undefined
  readonly #limits: OcfLimits
  readonly #gathered = new ByteGatherer()
  #headerParser: OcfHeaderParser | undefined
  #header: OcfHeader | undefined
  #blockReader: BlockReader | undefined
  #blockHead: BlockHead | undefined
  #pushedBytes = 0
  #decodedBytes = 0
  #blocks = 0

  constructor(limits: OcfLimits) {
    this.#limits = limits
    this.#headerParser = new OcfHeaderParser(limits.headerBytes)
  }

  get opened(): boolean {
    return this.#header !== undefined
  }

  get undecodedBytes(): number {
    return this.#pushedBytes - this.#decodedBytes
  }

  push(bytes: Uint8Array): MetricList[] {
    const lists: MetricList[] = []
    this.#read(bytes, 0, { lists, enough: Number.POSITIVE_INFINITY, joiner: undefined })
    return lists
  }

  readSome(bytes: Uint8Array, start: number, lists: MetricList[], joiner?: ListJoiner): number {
    const end = this.#read(bytes, start, { lists, enough: lists.length + someLists, joiner })
    joiner?.flush(lists)
    return end
  }

  #read(bytes: Uint8Array, start: number, slice: Slice): number {
    const end = this.fault === undefined ? this.#readBlocks(bytes, start, slice) : bytes.length
    this.#pushedBytes += end - start
    if (end === bytes.length) this.#blockReader?.endPiece()
    return end
  }

  /** @returns the position behind what was read: the end, or where `lists` have become enough */
  #readBlocks(bytes: Uint8Array, start: number, slice: Slice): number {
    try {
      let pos = this.#header === undefined ? this.#readHeader(bytes) : start
      while (pos < bytes.length && !isEnough(slice)) pos = this.#readBlock(bytes, pos, slice)
      return pos
    } catch (thrown) {
      this.#stop(thrown)
      return bytes.length
    }
  }

  end(): MetricList[] {
    if (this.fault !== undefined) return []
    if (this.#header === undefined) this.#stop(OcfHeaderParser.describeEnd(this.#gathered.bytes))
    else if (this.#gathered.length > 0) this.#stop(this.#truncated())
    return []
  }

  #stop(thrown: unknown): void {
    this.fault = thrown instanceof StatsError ? this.#withPlace(thrown) : unexpected(thrown)
    this.#gathered.take()
  }

  #withPlace(error: StatsError): StatsError {
    const advice = adviceFor[error.code]
    if (this.#header === undefined || advice === undefined) return error
    return new StatsError(error.code, `${this.#place()} ${error.message}: ${advice}.`)
  }

  #place(): string {
    return `Avro block ${this.#blocks + 1}, at byte ${this.#decodedBytes} of the stream,`
  }

  #truncated(): StatsError {
    const wanted = this.#blockHead === undefined ? '' : ` of ${this.#blockLength(this.#blockHead)}`
    const text = `The stream ends inside ${this.#place()} after ${this.#gathered.length}${wanted} bytes of it.`
    return new StatsError('DS_AVRO_TRUNCATED', text)
  }

  /** @returns the position behind the header, or the end where it is not complete */
  #readHeader(bytes: Uint8Array): number {
    const before = this.#gathered.length
    // The piece itself serves where it is the first, which is the rule.
    if (before > 0) this.#gathered.add(bytes, 0, this.#limits.headerBytes + 1)
    const header = this.#headerParser?.parse(before > 0 ? this.#gathered.bytes : bytes)
    if (header === undefined) {
      if (before === 0) this.#gathered.add(bytes, 0, this.#limits.headerBytes + 1)
      return bytes.length
    }
    this.#header = header
    this.#blockReader = new BlockReader(header, this.#limits.inflatedBlockBytes)
    this.#headerParser = undefined
    this.#gathered.take()
    this.#decodedBytes = header.byteLength
    return header.byteLength - before
  }

  /** Takes a block that lies whole in `bytes` at `pos`, else as much of it as there is. */
  #readBlock(bytes: Uint8Array, pos: number, slice: Slice): number {
    if (this.#gathered.length > 0) return this.#gather(bytes, pos, slice)
    const head = this.#readBlockHead(bytes, pos)
    if (head === undefined) return this.#gathered.add(bytes, pos, longestBlockHead)
    const length = this.#blockLength(head)
    if (pos + length > bytes.length) {
      this.#blockHead = head
      return this.#gathered.add(bytes, pos, length)
    }
    this.#decodeBlock(bytes, pos, head, slice)
    return pos + length
  }

  #gather(bytes: Uint8Array, pos: number, slice: Slice): number {
    while (this.#blockHead === undefined) {
      if (pos === bytes.length) return pos
      pos = this.#gathered.add(bytes, pos, this.#gathered.length + 1)
      this.#blockHead = this.#readBlockHead(this.#gathered.bytes, 0)
    }
    const length = this.#blockLength(this.#blockHead)
    pos = this.#gathered.add(bytes, pos, length)
    if (this.#gathered.length === length) {
      const head = this.#blockHead
      this.#blockHead = undefined
      this.#decodeBlock(this.#gathered.take(), 0, head, slice)
    }
    return pos
  }

  /** @returns undefined where `bytes` end inside it */
  #readBlockHead(bytes: Uint8Array, start: number): BlockHead | undefined {
    if (!holdsTwoLongs(bytes, start)) return undefined
    const cursor = new AvroCursor(bytes, start)
    const lists = cursor.readLong()
    const size = cursor.readLong()
    const { blockBytes, blockLists } = this.#limits
    if (lists < 0) malformed('says that it has a negative number of lists')
    if (size < 0) malformed('says that it has a negative size')
    if (size > blockBytes) tooLarge(`declares ${size} bytes; at most ${blockBytes} are taken`)
    if (lists > blockLists) tooLarge(`declares ${lists} lists; at most ${blockLists} are taken`)
    return { lists, size, byteLength: cursor.pos - start }
  }

  #blockLength({ byteLength, size }: BlockHead): number {
    return byteLength + size + syncMarkerBytes
  }

  #decodeBlock(bytes: Uint8Array, pos: number, head: BlockHead, slice: Slice): void {
    const start = pos + head.byteLength
    const end = start + head.size
    if (!this.#isSyncMarkerAt(bytes, end)) {
      // The first releases kept a block that is whole in itself but followed by a wrong marker, and so it stays.
      slice.joiner?.flush(slice.lists)
      slice.lists.push(...this.#readWholeOrNothing(bytes, start, end, head.lists))
      throw new StatsError(
        'DS_AVRO_SYNC',
        `${this.#place()} is followed by a wrong sync marker: the stream is corrupt.`,
      )
    }
    this.#blockReader!.read(bytes, start, end, head.lists, slice)
    this.#blocks++
    this.#decodedBytes += this.#blockLength(head)
  }

  #isSyncMarkerAt(bytes: Uint8Array, pos: number): boolean {
    const { syncMarker } = this.#header!
    for (let at = 0; at < syncMarkerBytes; at++) if (bytes[pos + at] !== syncMarker[at]) return false
    return true
  }

  #readWholeOrNothing(bytes: Uint8Array, start: number, end: number, count: number): MetricList[] {
    const lists: MetricList[] = []
    try {
      this.#blockReader!.read(bytes, start, end, count, { lists })
      return lists
    } catch {
      return []
    }
  }
}

function holdsTwoLongs(bytes: Uint8Array, start: number): boolean {
  const limit = Math.min(bytes.length, start + longestBlockHead)
  let longs = 0
  for (let pos = start; pos < limit; pos++) if (bytes[pos]! < 0x80 && ++longs === 2) return true
  return limit === start + longestBlockHead
}

/** A mistake of ours must not end the process either, but its stack is kept. */
function unexpected(cause: unknown): StatsError {
  return new StatsError('DS_AVRO_MALFORMED', `The stream cannot be read (${messageOf(cause)}).`, { cause })
}
