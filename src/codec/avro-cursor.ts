import { StatsError } from '../platform/errors.js'

/** A long has 64 bits, so ten bytes of seven. */
export const longestLong = 10

/**
 * Walks Avro data that lies whole in memory. Every step is checked against `end`: data that lies about its sizes ends in a
 * `StatsError` `DS_AVRO_MALFORMED`, which the readers of this folder turn into a fault; nothing is read behind `end`.
 */
export class AvroCursor {
  readonly bytes: Uint8Array
  /** The same bytes: compares and reads several at once, which indexing cannot. */
  readonly view: DataView
  /** Where the bytes lie; asking them for it takes a call out of compiled code each time. */
  readonly buffer: ArrayBufferLike
  readonly byteOffset: number
  pos: number
  end: number

  constructor(bytes: Uint8Array, pos = 0, end = bytes.length) {
    this.bytes = bytes
    this.buffer = bytes.buffer
    this.byteOffset = bytes.byteOffset
    this.view = new DataView(this.buffer, this.byteOffset, bytes.length)
    this.pos = pos
    this.end = end
  }

  /** An int or a long; exact for safe integers; above live only lengths that are refused anyway, and odd times. */
  readLong(): number {
    if (this.pos >= this.end) malformed('ends inside a number')
    const first = this.bytes[this.pos]!
    if (first < 0x80) {
      this.pos++
      return (first >>> 1) ^ -(first & 1)
    }
    return this.#readWideLong()
  }

  skipLong(): void {
    const { bytes, end } = this
    const limit = Math.min(end, this.pos + longestLong)
    let pos = this.pos
    while (pos < limit && bytes[pos]! >= 0x80) pos++
    if (pos >= limit) malformed(pos >= end ? 'ends inside a number' : 'holds a number of more than 64 bits')
    this.pos = pos + 1
  }

  skip(byteCount: number): void {
    if (byteCount > this.end - this.pos) malformed('ends inside a value')
    this.pos += byteCount
  }

  /** The length of a string or of bytes, checked: so many bytes are there. */
  readLength(): number {
    const length = this.readLong()
    if (length < 0) malformed('holds a negative length')
    if (length > this.end - this.pos) malformed('holds a length that goes beyond its end')
    return length
  }

  skipString(): void {
    const length = this.readLength()
    this.pos += length
  }

  #readWideLong(): number {
    const { bytes, pos } = this
    this.skipLong()
    const lowEnd = Math.min(this.pos, pos + 4)
    let low = 0
    for (let at = pos; at < lowEnd; at++) low |= (bytes[at]! & 0x7f) << (7 * (at - pos))
    if (lowEnd === this.pos) return (low >>> 1) ^ -(low & 1)
    // Bit operations end at 32 bits: what is above goes into a double.
    let high = 0
    for (let at = this.pos - 1; at >= lowEnd; at--) high = high * 0x80 + (bytes[at]! & 0x7f)
    const magnitude = (low >>> 1) + high * 0x8000000
    return low & 1 ? -magnitude - 1 : magnitude
  }
}

export function malformed(what: string): never {
  throw new StatsError('DS_AVRO_MALFORMED', what)
}

export function tooLarge(what: string): never {
  throw new StatsError('DS_AVRO_TOO_LARGE', what)
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
