import type { Datapoints } from '../model/metric-list.js'
import { AvroCursor } from './avro-cursor.js'

/** Time and value of nearly every datapoint: a time between 1970-07 and 2039-09 takes six bytes. */
const usualTimeBytes = 6
const usualRestBytes = usualTimeBytes + 8
/** Highest bits of four bytes of which each has another one behind it. */
const fourMore = 0x80808080 | 0

/**
 * Reads datapoints one by one, for lines in great number: it visits what `forEachDatapoint` does, but tells where the name's bytes
 * are instead of making a string of them, and one reader serves all lists. That takes half the time.
 */
export class DatapointReader {
  /** Holds the name, in UTF-8, for as long as the list is read. */
  view: DataView = new DataView(new ArrayBuffer(0))
  /** Whether this is the first datapoint of its list. */
  isFirst = false
  nameStart = 0
  nameLength = 0
  /** Milliseconds since 1970, exact up to 2^53. */
  timeMs = 0
  value = 0
  #buffer: ArrayBufferLike = this.view.buffer
  #bytes: Uint8Array = new Uint8Array(0)
  #pos = 0
  #end = 0
  #count = 0
  #left = 0

  /** Begins with another list. */
  open({ count, bytes }: Datapoints): void {
    const { buffer, byteOffset } = bytes
    // Lists of one message lie in one memory.
    if (buffer !== this.#buffer) {
      this.#buffer = buffer
      this.view = new DataView(buffer)
    }
    this.#bytes = bytes
    this.#pos = byteOffset
    this.#end = byteOffset + bytes.length
    this.#count = this.#left = count
  }

  /** Moves to the next datapoint; false where there is none, after `count` of them or where the bytes do not hold so many. */
  next(): boolean {
    if (this.#left === 0) return false
    this.isFirst = this.#left === this.#count
    this.#left--
    return this.#nextUsual() || this.#nextOfAnyKind()
  }

  /** A name of less than 8 KiB and a time as they are today. */
  #nextUsual(): boolean {
    const { view } = this
    const end = this.#end
    let pos = this.#pos
    if (pos + 2 > end) return false
    let length = view.getUint8(pos++)
    if (length >= 0x80) {
      const high = view.getUint8(pos++)
      if (high >= 0x80) return false
      length = (length & 0x7f) | (high << 7)
    }
    const rest = pos + (length >> 1)
    // Odd is negative.
    if ((length & 1) === 1 || rest + usualRestBytes > end) return false
    const low = view.getInt32(rest, true)
    const high = view.getUint16(rest + 4, true)
    if ((low & fourMore) !== fourMore || (high & 0x8080) !== 0x80) return false
    this.nameStart = pos
    this.nameLength = length >> 1
    this.timeMs = timeOf(low, high)
    this.value = view.getFloat64(rest + usualTimeBytes, true)
    this.#pos = rest + usualRestBytes
    return true
  }

  #nextOfAnyKind(): boolean {
    const { byteOffset } = this.#bytes
    const cursor = new AvroCursor(this.#bytes, this.#pos - byteOffset)
    try {
      this.nameLength = cursor.readLength()
      this.nameStart = byteOffset + cursor.pos
      cursor.pos += this.nameLength
      this.timeMs = cursor.readLong()
      cursor.skip(8)
    } catch {
      this.#left = 0
      return false
    }
    this.#pos = byteOffset + cursor.pos
    this.value = this.view.getFloat64(this.#pos - 8, true)
    return true
  }
}

/** An Avro long of six bytes: four with seven bits each in `low`, two in `high`, the lowest bit of all for the sign. */
function timeOf(low: number, high: number): number {
  const lowBits = (low & 0x7f) | ((low >>> 1) & 0x3f80) | ((low >>> 2) & 0x1fc000) | ((low >>> 3) & 0xfe00000)
  const highBits = (high & 0x7f) | ((high >>> 1) & 0x3f80)
  const magnitude = (lowBits >>> 1) + highBits * 0x8000000
  return (lowBits & 1) === 1 ? -magnitude - 1 : magnitude
}
