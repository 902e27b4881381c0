import { layout, pieceNumbers, type StatsdMemory } from './statsd-memory.js'
import type { OpenList } from './statsd-open-list.js'
import type { Cut } from './statsd-slabs.js'
import { EncodedTime, longestLong } from './statsd-time.js'

const doubleBytes = 8
/** Names and times are copied four bytes at a time, which is four times as quick; the last time up to three too many. */
const slackBytes = 4
const { log, placedAt } = layout
const logEnd = log.at + log.bytes

/**
 * The datapoints of a chunk in their Avro encoding, in the order in which they came. Which list each stretch of them belongs to
 * is a piece of three numbers; `moveTo` puts each list's pieces together. So what is written to lies together in the
 * processor's caches, however many lists there are.
 */
export class DatapointLog {
  /** Of all datapoints, spilled ones too. */
  byteLength = 0
  /** When the datapoints that are written were measured. */
  readonly time: EncodedTime
  readonly #memory: StatsdMemory
  readonly #owners: OpenList[] = []
  #age = 1
  #end: number = log.at
  #pieces = 0
  #lastOwner = -1
  #hasSpilled = false

  constructor(memory: StatsdMemory) {
    this.#memory = memory
    const { time } = layout
    this.time = new EncodedTime(memory.bytes.subarray(time.at, time.at + time.bytes), (length) =>
      memory.lines?.setTimeLength(length),
    )
  }

  /** Where the next datapoint goes to. */
  get end(): number {
    return this.#end
  }

  /** Makes room for a piece that begins at `lastEnd` or in front of it. */
  makeRoomUpTo(lastEnd: number): void {
    if (this.#end > lastEnd || this.#pieces === layout.mostPieces) this.spill()
  }

  /**
   * Name (copied from `source`), time, value: the field order of schema/metrics.avsc.
   *
   * @param source goes on for at least three bytes behind `nameEnd`
   */
  write(list: OpenList, source: DataView, nameStart: number, nameEnd: number, value: number): void {
    const nameLength = nameEnd - nameStart
    this.makeRoomUpTo(logEnd - (longestLong + nameLength + longestLong + doubleBytes + slackBytes))
    const { time } = this
    const { bytes, view } = this.#memory
    const nameAt = writeLength(bytes, this.#end, nameLength)
    copyWords(source, nameStart, view, nameAt, nameLength)
    const timeAt = nameAt + nameLength
    copyWords(time.view, 0, view, timeAt, time.length)
    const valueAt = timeAt + time.length
    view.setFloat64(valueAt, value, true)
    this.append(list, 1, valueAt + doubleBytes)
  }

  /** Notes that datapoints of a list were written, up to `end`. */
  append(list: OpenList, count: number, end: number): void {
    const length = end - this.#end
    if (list.logAge !== this.#age) this.#addOwner(list)
    list.count += count
    list.byteLength += length
    this.byteLength += length
    this.#note(list.logOwner, length)
    this.#end = end
  }

  /** Moves the log's datapoints to their lists: chunks larger than the log are rare. */
  spill(): void {
    const lengths = this.#lengths()
    let at: number = placedAt
    for (const [owner, length] of lengths.entries()) {
      this.#memory.setEnd(owner, at)
      at += length
    }
    this.#memory.place(this.#pieces)
    at = placedAt
    for (const [owner, list] of this.#owners.entries()) {
      const part = Buffer.from(this.#memory.bytes.subarray(at, at + lengths[owner]!))
      if (list.spilled === undefined) list.spilled = [part]
      else list.spilled.push(part)
      at += part.length
    }
    this.#hasSpilled = true
    this.#empty()
  }

  /**
   * Copies all datapoints to `target`, those of each list behind those of the one before; then the log is empty.
   *
   * @param lists all that have datapoints in it
   */
  moveTo(target: Cut, lists: readonly OpenList[]): void {
    if (this.#hasSpilled) this.#moveSpilled(target, lists)
    else {
      const from = this.#place(lists)
      this.#memory.bytes.copy(target.bytes, target.offset, from, from + this.byteLength)
    }
    this.#empty()
    this.#hasSpilled = false
    this.byteLength = 0
  }

  #addOwner(list: OpenList): void {
    list.logOwner = this.#owners.length
    list.logAge = this.#age
    this.#owners.push(list)
  }

  #note(owner: number, length: number): void {
    const { pieces } = this.#memory
    if (owner === this.#lastOwner) {
      pieces[this.#pieces * pieceNumbers - 1]! += length
      return
    }
    const at = this.#pieces++ * pieceNumbers
    pieces[at] = owner
    pieces[at + 1] = this.#end
    pieces[at + 2] = length
    this.#lastOwner = owner
  }

  /** Puts the pieces together, list by list, nothing of which was spilled. @returns where all of them lie */
  #place(lists: readonly OpenList[]): number {
    if (this.#pieces === 1) return log.at
    let at: number = placedAt
    for (const list of lists) {
      this.#memory.setEnd(list.logOwner, at)
      at += list.byteLength
    }
    this.#memory.place(this.#pieces)
    return placedAt
  }

  #lengths(): number[] {
    const lengths: number[] = Array(this.#owners.length).fill(0)
    const { pieces } = this.#memory
    for (let at = 0; at < this.#pieces * pieceNumbers; at += pieceNumbers) lengths[pieces[at]!]! += pieces[at + 2]!
    return lengths
  }

  #moveSpilled({ bytes, offset }: Cut, lists: readonly OpenList[]): void {
    this.spill()
    let at = offset
    for (const list of lists) {
      for (const part of list.spilled ?? []) at += part.copy(bytes, at)
      list.spilled = undefined
    }
  }

  #empty(): void {
    this.#age++
    this.#owners.length = 0
    this.#end = log.at
    this.#pieces = 0
    this.#lastOwner = -1
  }
}

/** The varint in front of an Avro string, zigzagged. */
function writeLength(bytes: Uint8Array, at: number, length: number): number {
  let rest = length * 2
  for (; rest >= 128; rest >>>= 7) bytes[at++] = (rest & 127) | 128
  bytes[at++] = rest
  return at
}

/** Copies `length` bytes, and up to three more. */
function copyWords(from: DataView, fromAt: number, to: DataView, toAt: number, length: number): void {
  for (let done = 0; done < length; done += 4) to.setInt32(toAt + done, from.getInt32(fromAt + done))
}
