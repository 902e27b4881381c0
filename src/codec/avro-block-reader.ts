import type { MetricList } from '../model/metric-list.js'
import { messageOf, systemCodeOf } from '../platform/errors.js'
import { AvroCursor, malformed, tooLarge } from './avro-cursor.js'
import { recode } from './avro-foreign.js'
import type { OcfHeader } from './avro-header.js'
import { ListReader } from './avro-lists.js'
import { inflateRaw, newRoom } from './inflate.js'
import type { ListJoiner } from './list-joiner.js'

/** Where the lists of blocks go to. */
export interface ListTarget {
  readonly lists: MetricList[]
  /** Where small lists are to be joined: what became of them is behind all others at its flush. */
  readonly joiner?: ListJoiner | undefined
}

/** Blocks differ: so many times as large as the one before, one is still inflated in the scratch. */
const mostGrowth = 2

/** Reads the lists of one sender out of the data of its blocks: inflates them, and translates what has another schema. */
export class BlockReader {
  readonly #header: OcfHeader
  readonly #inflatedLimitBytes: number
  readonly #listReader = new ListReader()
  /** Of the last block. */
  #inflatedBytes = 0
  /** How many times larger than it came. */
  #growth = 0
  /** For the blocks of one piece. */
  #room = newRoom()

  constructor(header: OcfHeader, inflatedLimitBytes: number) {
    this.#header = header
    this.#inflatedLimitBytes = inflatedLimitBytes
  }

  /**
   * Reads all lists of the block whose data are `start` to `end` of `bytes`, a piece that may hold more blocks.
   *
   * @param count of lists, as the block says it
   * @throws StatsError `DS_AVRO_MALFORMED` or `DS_AVRO_TOO_LARGE`, whose messages go on where one says which block it is; `target` has
   *   the lists in front of the fault then
   */
  read(bytes: Uint8Array, start: number, end: number, count: number, target: ListTarget): void {
    const cursor =
      this.#header.codec === 'null'
        ? this.#readLists(new AvroCursor(bytes, start, end), count, target)
        : this.#readDeflated(bytes.subarray(start, end), bytes.length - start, count, target)
    if (cursor.pos !== cursor.end) malformed('holds more bytes than its lists take')
  }

  /** The piece is over: what is inflated from now on is kept, or not, on its own. */
  endPiece(): void {
    this.#room = newRoom()
  }

  /** @param behindBytes how much of the piece is left, with this block */
  #readDeflated(packed: Uint8Array, behindBytes: number, count: number, target: ListTarget): AvroCursor {
    const { lists, joiner } = target
    const isOwn = this.#header.plan.path === 'own'
    const scratch = isOwn ? joiner?.scratchFor(count, mostGrowth * this.#inflatedBytes, lists) : undefined
    const cursor = new AvroCursor(this.#inflate(packed, behindBytes, scratch?.room))
    if (joiner === undefined || cursor.buffer !== scratch?.buffer) return this.#readLists(cursor, count, target)
    for (let left = count; left > 0; left--) {
      if (!this.#listReader.readFromScratch(cursor, lists, joiner, scratch))
        return this.#readLists(leaveScratch(cursor, lists, joiner), left, target)
    }
    return cursor
  }

  /** @returns what it has read, up to the end of the last list */
  #readLists(cursor: AvroCursor, count: number, { lists, joiner }: ListTarget): AvroCursor {
    const { plan } = this.#header
    for (let left = count; left > 0; left--) {
      const own = plan.path === 'own' ? cursor : new AvroCursor(recode(plan, cursor))
      if (joiner === undefined) lists.push(this.#listReader.read(own))
      else this.#listReader.readInto(own, lists, joiner)
    }
    return cursor
  }

  #inflate(packed: Uint8Array, behindBytes: number, room = this.#room): Buffer {
    const limitBytes = this.#inflatedLimitBytes
    const wantedBytes = Math.max(this.#inflatedBytes, this.#growth * behindBytes)
    try {
      const inflated = inflateRaw(packed, limitBytes, this.#inflatedBytes, room, wantedBytes)
      this.#inflatedBytes = inflated.length
      this.#growth = inflated.length / packed.length
      return inflated
    } catch (cause) {
      if (systemCodeOf(cause) !== 'ERR_BUFFER_TOO_LARGE') return malformed(`cannot be inflated (${messageOf(cause)})`)
      return tooLarge(`inflates to more than ${limitBytes} bytes`)
    }
  }
}

/** The rest of a block, for who reads it at leisure. @returns where the cursor stands, in memory that nobody else has */
function leaveScratch({ bytes, pos }: AvroCursor, lists: MetricList[], joiner: ListJoiner): AvroCursor {
  const rest = new AvroCursor(Buffer.from(bytes.subarray(pos)))
  joiner.flush(lists)
  return rest
}
