import { DatapointsView } from '../model/datapoints-view.js'
import { ListPack } from '../model/list-pack.js'
import type { MetricList } from '../model/metric-list.js'
import { encodeHead } from './avro-block.js'
import { longestLong } from './avro-cursor.js'
import { KeptRoom } from './kept-bytes.js'
import { layout, pieceNumbers, type StatsdMemory } from './statsd-memory.js'
import type { OpenList } from './statsd-open-list.js'
import type { Cut, Slabs } from './statsd-slabs.js'
import { EncodedTime } from './statsd-time.js'
import { longSize, writeLong } from './varint.js'

const doubleBytes = 8
/** Names and times are copied four bytes at a time, which is four times as quick; the last time up to three too many. */
const slackBytes = 4
/** An empty block of the array of datapoints. */
const arrayEndBytes = 1
const { log, placed } = layout
const logEnd = log.at + log.bytes

/**
 * The datapoints of a chunk in their Avro encoding, in the order in which they came. Which list each stretch of them belongs to
 * is a piece of three numbers; `take` puts each list's pieces together. So what is written to lies together in the
 * processor's caches, however many lists there are.
 */
export class DatapointLog {
  /** Of all datapoints, spilled ones too. */
  byteLength = 0
  /** When the datapoints that are written were measured. */
  readonly time: EncodedTime
  readonly #memory: StatsdMemory
  readonly #heads: KeptRoom
  readonly #owners: OpenList[] = []
  #age = 1
  #end: number = log.at
  #pieces = 0
  #lastOwner = -1
  #hasSpilled = false
  #count = 0

  constructor(memory: StatsdMemory, heads = new KeptRoom(layout.heads.at, layout.heads.bytes)) {
    this.#memory = memory
    this.#heads = heads
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
    const nameAt = writeLong(bytes, this.#end, nameLength)
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
    this.#count += count
    this.byteLength += length
    this.#note(list.logOwner, length)
    this.#end = end
  }

  /** Moves the log's datapoints to their lists: chunks larger than the log are rare. */
  spill(): void {
    const lengths = this.#lengths()
    let at: number = placed.at
    for (const [owner, length] of lengths.entries()) {
      this.#memory.setEnd(owner, at)
      at += length
    }
    this.#memory.place(this.#pieces)
    at = placed.at
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
   * Makes lists of all datapoints, as a pack where that is possible; then the log is empty.
   *
   * @param open all lists that have datapoints in it
   * @param slabs where their bytes are copied to
   */
  take(open: readonly OpenList[], slabs: Slabs): MetricList[] {
    const lists = this.#hasSpilled
      ? this.#takeSpilled(open, slabs)
      : (this.#takePack(open, slabs) ?? this.#takeBare(open, slabs))
    for (const list of open) list.count = list.byteLength = 0
    this.#empty()
    this.#hasSpilled = false
    this.byteLength = 0
    this.#count = 0
    return lists
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

  /** As a pack; undefined where that cannot be. */
  #takePack(open: readonly OpenList[], slabs: Slabs): MetricList[] | undefined {
    const { bytes, lines } = this.#memory
    const size = this.#packSize(open)
    if (lines === undefined || size > placed.bytes) return undefined
    let end: number = placed.at
    for (const list of open) {
      const at = lines.frame(end, list.keptAt, list.headLength, list.count, list.byteLength)
      this.#memory.setEnd(list.logOwner, at)
      end = at + list.byteLength + arrayEndBytes
    }
    this.#memory.place(this.#pieces)
    const cut = slabs.cut(size, 1)
    bytes.copy(cut.bytes, cut.offset, placed.at, end)
    const { buffer, byteOffset } = cut.bytes
    return [new ListPack(new DatapointsView(this.#count, buffer, byteOffset + cut.offset, size, open.length))]
  }

  /** Of all lists with what is around their datapoints; infinite where that of one is not at hand. */
  #packSize(open: readonly OpenList[]): number {
    const { age } = this.#heads
    let size = this.byteLength
    for (const list of open) {
      if (list.keptAge !== this.#heads.age && !this.#keepHead(list)) return Number.POSITIVE_INFINITY
      size += list.headLength + longSize(-list.count) + longSize(list.byteLength) + arrayEndBytes
    }
    // Where room was made on the way, those in front have lost theirs.
    return this.#heads.age === age ? size : Number.POSITIVE_INFINITY
  }

  #keepHead(list: OpenList): boolean {
    const head = encodeHead(list)
    if (!this.#heads.keep(list, head.length)) return false
    list.headLength = head.length
    this.#memory.bytes.set(head, list.keptAt)
    return true
  }

  #takeBare(open: readonly OpenList[], slabs: Slabs): MetricList[] {
    const cut = slabs.cut(this.byteLength, open.length)
    let end: number = placed.at
    for (const list of open) {
      this.#memory.setEnd(list.logOwner, end)
      end += list.byteLength
    }
    this.#memory.place(this.#pieces)
    this.#memory.bytes.copy(cut.bytes, cut.offset, placed.at, end)
    return listsIn(cut, open)
  }

  #takeSpilled(open: readonly OpenList[], slabs: Slabs): MetricList[] {
    this.spill()
    const cut = slabs.cut(this.byteLength, open.length)
    let at = cut.offset
    for (const list of open) {
      for (const part of list.spilled ?? []) at += part.copy(cut.bytes, at)
      list.spilled = undefined
    }
    return listsIn(cut, open)
  }

  #lengths(): number[] {
    const lengths: number[] = Array(this.#owners.length).fill(0)
    const { pieces } = this.#memory
    for (let at = 0; at < this.#pieces * pieceNumbers; at += pieceNumbers) lengths[pieces[at]!]! += pieces[at + 2]!
    return lengths
  }

  #empty(): void {
    this.#age++
    this.#owners.length = 0
    this.#end = log.at
    this.#pieces = 0
    this.#lastOwner = -1
  }
}

/** Lists whose datapoints lie one behind the other. */
function listsIn({ bytes, offset }: Cut, open: readonly OpenList[]): MetricList[] {
  let at = bytes.byteOffset + offset
  return open.map(({ topic, tags, count, byteLength }) => {
    const datapoints = new DatapointsView(count, bytes.buffer, at, byteLength)
    at += byteLength
    return { topic, tags, datapoints }
  })
}

/** Copies `length` bytes, and up to three more. */
function copyWords(from: DataView, fromAt: number, to: DataView, toAt: number, length: number): void {
  for (let done = 0; done < length; done += 4) to.setInt32(toAt + done, from.getInt32(fromAt + done))
}
