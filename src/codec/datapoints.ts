import { byteLengthOf, DatapointsView, memoryOf } from '../model/datapoints-view.js'
import type { Datapoint, Datapoints } from '../model/metric-list.js'
import { AvroCursor, longestLong } from './avro-cursor.js'
import { readUtf8 } from './utf8.js'
import { longSize, writeLong } from './varint.js'

/** The smallest datapoint: an empty name and a time of one byte each, and a double. */
export const smallestDatapointBytes = 10

/**
 * Writes datapoints as items of the Avro array of `dcos.metrics.Datapoint`: name, time_ms, value, one behind the other.
 *
 * @param points `timeMs` is cut to whole milliseconds, since Avro's long has no fraction, and what is no time at all becomes 0
 */
export function encodeDatapoints(points: Iterable<Datapoint>): Datapoints {
  const all = Array.isArray(points) ? (points as readonly Datapoint[]) : [...points]
  const nameSizes = all.map(({ name }) => Buffer.byteLength(name))
  let size = 0
  all.forEach(({ timeMs }, at) => {
    const nameSize = nameSizes[at]!
    size += longSize(nameSize) + nameSize + longSize(wholeMs(timeMs)) + 8
  })
  const bytes = Buffer.allocUnsafe(size)
  let pos = 0
  all.forEach(({ name, timeMs, value }, at) => {
    pos = writeLong(bytes, pos, nameSizes[at]!)
    pos += bytes.write(name, pos)
    pos = writeLong(bytes, pos, wholeMs(timeMs))
    pos = bytes.writeDoubleLE(value, pos)
  })
  return { count: all.length, bytes }
}

/**
 * Reads datapoints one by one, without making objects of them.
 *
 * @param visit `timeMs` in milliseconds since 1970, exact up to 2^53
 * @returns how many were visited: less than `count` where the bytes do not hold so many. That happens only where a sender's
 *   array block lied about its count or its size; who visits counts the rest as `undecodable`. It never throws by itself.
 */
export function forEachDatapoint(
  { count, bytes }: Datapoints,
  visit: (name: string, timeMs: number, value: number) => void,
): number {
  const cursor = new DatapointCursor(bytes)
  for (let visited = 0; visited < count; visited++) {
    if (!cursor.next()) return visited
    const value = cursor.view.getFloat64(cursor.pos - 8, true)
    visit(readUtf8(cursor.view, cursor.nameStart, cursor.nameLength), cursor.timeMs, value)
  }
  return count
}

let wholeView: DataView = new DataView(new ArrayBuffer(0))

/**
 * Whether the bytes are just so many datapoints as they say: some 6 ns for each of them. A sender's array may say its size in
 * bytes, and then nobody has looked into it.
 */
export function areWhole(datapoints: Datapoints): boolean {
  const around = memoryOf(datapoints)
  // What is looked at nearly always lies in the same memory as what was looked at before.
  if (around !== wholeView.buffer) wholeView = new DataView(around)
  const start = datapoints instanceof DatapointsView ? datapoints.byteOffset : datapoints.bytes.byteOffset
  const end = start + byteLengthOf(datapoints)
  let pos = start
  for (let left = datapoints.count; left > 0; left--) {
    pos = behindDatapoint(wholeView, pos, end)
    if (pos < 0) return false
  }
  return pos === end
}

/** @returns the position behind a datapoint; -1 where there is none, or its name is longer than any that is joined */
function behindDatapoint(view: DataView, start: number, end: number): number {
  if (end - start < smallestDatapointBytes) return -1
  const first = view.getUint8(start)
  // A zigzagged length: an odd one is negative. Two bytes are for names up to 8,191 bytes.
  if ((first & 1) === 1) return -1
  const second = first < 0x80 ? 0 : view.getUint8(start + 1)
  if (second >= 0x80) return -1
  let pos = first < 0x80 ? start + 1 + (first >> 1) : start + 2 + (((second << 7) | (first & 0x7f)) >> 1)
  const lastTimeByte = Math.min(end, pos + longestLong) - 1
  while (pos < lastTimeByte && view.getUint8(pos) >= 0x80) pos++
  if (pos > lastTimeByte || view.getUint8(pos) >= 0x80) return -1
  pos += 1 + 8
  return pos <= end ? pos : -1
}

/** The datapoints as objects: for tests and for what is not in a hurry. */
export function decodeDatapoints(datapoints: Datapoints): Datapoint[] {
  const points: Datapoint[] = []
  forEachDatapoint(datapoints, (name, timeMs, value) => points.push({ name, timeMs, value }))
  return points
}

/** Moves behind one datapoint; throws `DS_AVRO_MALFORMED` where there is none. */
export function skipDatapoint(cursor: AvroCursor): void {
  cursor.skipString()
  cursor.skipLong()
  cursor.skip(8)
}

function wholeMs(timeMs: number): number {
  const ms = Math.trunc(timeMs)
  return Number.isSafeInteger(ms) ? ms : 0
}

class DatapointCursor extends AvroCursor {
  nameStart = 0
  nameLength = 0
  timeMs = 0

  /** Reads the next one's bounds and time, and stands behind it; false where there is none. */
  next(): boolean {
    try {
      this.nameLength = this.readLength()
      this.nameStart = this.pos
      this.pos += this.nameLength
      this.timeMs = this.readLong()
      this.skip(8)
      return true
    } catch {
      return false
    }
  }
}
