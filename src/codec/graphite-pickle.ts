import type { MetricList } from '../model/metric-list.js'
import { forEachDatapoint } from './datapoints.js'
import type { GraphiteNames } from './graphite-line.js'
import type { RenderedCounts } from './rendered-lines.js'

/** Messages for carbon's pickle port, one behind the other in `frames`. */
export interface PickleFrames extends RenderedCounts {
  readonly frames: readonly Buffer[]
  readonly tooLarge: number
}

/** As many as carbon's own relay puts into a message. */
const DATAPOINTS_A_FRAME = 500
/** Carbon closes the connection on a message above 1 MiB (PICKLE_RECEIVER_MAX_LENGTH); its four bytes of length do not count. */
const FRAME_LIMIT_BYTES = 1024 * 1024
const FRAME_END_BYTES = 2
const LENGTH_BYTES = 4

/**
 * Renders lists for carbon's pickle port: a length (4 bytes, big-endian), then a pickle of protocol 2 of
 * `[(path, (seconds, value)), ...]`, at most 500 of them a message. Values are BINFLOAT, so nothing is rounded.
 *
 * NaN and infinities, which carbon does not store, are left out, and so is a path that does not fit into a message.
 *
 * @see Graphite docs, "Feeding In Your Data", the pickle protocol; Python's pickletools for the opcodes
 */
export function encodePickleFrames(lists: readonly MetricList[], names: GraphiteNames): PickleFrames {
  const writer = new FrameWriter()
  let datapoints = 0
  let notFinite = 0
  let tooLarge = 0
  let undecodable = 0
  for (const { tags, datapoints: points } of lists) {
    const before = names.beforeOf(tags)
    const behind = names.behindOf(tags)
    const read = forEachDatapoint(points, (name, timeMs, value) => {
      if (!Number.isFinite(value)) notFinite++
      else if (writer.add(before + names.nameOf(name) + behind, Math.floor(timeMs / 1000), value)) datapoints++
      else tooLarge++
    })
    undecodable += points.count - read
  }
  return { frames: writer.finish(), datapoints, notFinite, tooLarge, undecodable }
}

// Opcodes of protocol 2; the comments are their names in pickletools.
const opening = Buffer.from([0x80, 2, 0x5d, 0x28]) // PROTO 2, EMPTY_LIST, MARK
const BINUNICODE = 0x58
const BININT = 0x4a
const LONG1 = 0x8a
const BINFLOAT = 0x47
const TUPLE2 = 0x86
const APPENDS = 0x65
const STOP = 0x2e

/** Everything of an item but its path: BINUNICODE and length, LONG1 with its size and eight bytes, BINFLOAT, two TUPLE2. */
const ITEM_OVERHEAD_BYTES = 5 + 10 + 9 + 2

class FrameWriter {
  readonly #frames: Buffer[] = []
  #bytes = Buffer.allocUnsafe(64 * 1024)
  #pos = 0
  #inFrame = 0

  /** False where the path is too long for a message. */
  add(path: string, seconds: number, value: number): boolean {
    // Three bytes is what a UTF-16 unit can need; only long paths are measured exactly.
    const size = path.length * 3 < 4096 ? path.length * 3 : Buffer.byteLength(path)
    const needed = size + ITEM_OVERHEAD_BYTES + FRAME_END_BYTES
    if (LENGTH_BYTES + opening.length + needed > FRAME_LIMIT_BYTES) return false
    if (this.#inFrame === DATAPOINTS_A_FRAME || this.#pos + needed > FRAME_LIMIT_BYTES) this.#endFrame()
    this.#makeRoom(LENGTH_BYTES + opening.length + needed)
    if (this.#inFrame === 0) this.#pos = LENGTH_BYTES + opening.copy(this.#bytes, LENGTH_BYTES)
    this.#writeItem(path, seconds, value)
    this.#inFrame++
    return true
  }

  finish(): Buffer[] {
    if (this.#inFrame > 0) this.#endFrame()
    return this.#frames
  }

  #writeItem(path: string, seconds: number, value: number): void {
    const bytes = this.#bytes
    let pos = this.#pos
    bytes[pos] = BINUNICODE
    const pathBytes = bytes.write(path, pos + 5)
    bytes.writeUInt32LE(pathBytes, pos + 1)
    pos = writeInteger(bytes, pos + 5 + pathBytes, seconds)
    bytes[pos] = BINFLOAT
    pos = bytes.writeDoubleBE(value, pos + 1)
    bytes[pos] = TUPLE2
    bytes[pos + 1] = TUPLE2
    this.#pos = pos + 2
  }

  #endFrame(): void {
    this.#bytes[this.#pos] = APPENDS
    this.#bytes[this.#pos + 1] = STOP
    const end = this.#pos + FRAME_END_BYTES
    this.#bytes.writeUInt32BE(end - LENGTH_BYTES, 0)
    this.#frames.push(Buffer.from(this.#bytes.subarray(0, end)))
    this.#pos = 0
    this.#inFrame = 0
  }

  #makeRoom(needed: number): void {
    if (this.#pos + needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#pos + needed))
    this.#bytes.copy(larger, 0, 0, this.#pos)
    this.#bytes = larger
  }
}

function writeInteger(bytes: Buffer, pos: number, value: number): number {
  if (value === (value | 0)) {
    bytes[pos] = BININT
    return bytes.writeInt32LE(value, pos + 1)
  }
  bytes[pos] = LONG1
  bytes[pos + 1] = 8
  return bytes.writeBigInt64LE(BigInt(value), pos + 2)
}
