import { byteLengthOf, DatapointsView } from '../model/datapoints-view.js'
import type { Datapoints } from '../model/metric-list.js'
import { newSyncMarker } from './avro-block.js'
import { ocfHeaderLength, syncMarkerBytes, writeOcfHeader } from './avro-header.js'
import { ByteCopier } from './byte-copier.js'
import { PieceList } from './piece-list.js'
import { SpareBuffers } from './spare-buffers.js'
import { longSize, writeLong } from './varint.js'

/** How many lists, and their size: two longs of at most five bytes, which are known at the end. */
const blockHeadBytes = 10
/** Counts and size of one list's datapoints, and their end, at most. */
const listOverheadBytes = 12

const spare = new SpareBuffers()
const none = Buffer.alloc(0)

/** Topic and tags of lists, as they stand in front of the datapoints (`encodeHead`). */
export class ListHead {
  readonly bytes: Uint8Array
  /** The file that had such a list last, and which of its lists it was: asked for each list, so there is no map. */
  file: ContainerFileBuilder | undefined
  list = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

/** A list of the file in the making. */
interface GrowingList {
  readonly head: ListHead
  count: number
  byteLength: number
}

/**
 * A container file of one block, made list by list, of which none need be kept. What comes under the same head becomes one list,
 * in the order in which it came: senders repeat their tags in every block, and these are four fifths of a list of one datapoint.
 * Datapoints wait behind each other for the end, when it is known where each list begins. Memory comes from files that
 * were given back.
 */
export class ContainerFileBuilder {
  /** What a file without lists takes, at most. */
  static readonly emptyBytes = ocfHeaderLength('null') + blockHeadBytes + syncMarkerBytes
  /** How many lists are in it. */
  lists = 0
  datapoints = 0
  readonly #headroom: number
  #growing: GrowingList[] = []
  #overheadBytes = 0
  #waiting: Buffer
  #copier: ByteCopier
  #waitingBytes = 0
  /** Which list the datapoints that wait belong to, and how many bytes of them. */
  readonly #pieces = new PieceList()
  #file: Buffer | undefined

  /**
   * @param headroom so many bytes in front of the file, in its ArrayBuffer, are for who puts something in front of it
   * @param expectedBytes how large it will be, about; it grows where that is too little
   */
  constructor({ headroom = 0, expectedBytes = 0 }: { headroom?: number; expectedBytes?: number } = {}) {
    this.#headroom = headroom
    this.#waiting = spare.take(expectedBytes)
    this.#copier = new ByteCopier(this.#waiting)
  }

  /** What the file takes so far, without headroom, at most. */
  get byteLength(): number {
    return ContainerFileBuilder.emptyBytes + this.#overheadBytes + this.#waitingBytes
  }

  /** What a list takes, at most. */
  static sizeOf(head: ListHead, datapoints: Datapoints): number {
    return head.bytes.length + byteLengthOf(datapoints) + listOverheadBytes
  }

  /** What a list adds, at most. */
  growthBy(head: ListHead, datapoints: Datapoints): number {
    return head.file === this ? byteLengthOf(datapoints) : ContainerFileBuilder.sizeOf(head, datapoints)
  }

  add(head: ListHead, datapoints: Datapoints): void {
    if (head.file !== this) this.#openList(head)
    const list = this.#growing[head.list]!
    const length = byteLengthOf(datapoints)
    if (this.#waitingBytes + length > this.#waiting.length) this.#grow(this.#waitingBytes + length)
    if (datapoints instanceof DatapointsView)
      this.#copier.copy(datapoints.around, datapoints.byteOffset, length, this.#waitingBytes)
    else this.#waiting.set(datapoints.bytes, this.#waitingBytes)
    this.#waitingBytes += length
    this.#pieces.add(head.list, length)
    list.byteLength += length
    list.count += datapoints.count
    this.datapoints += datapoints.count
  }

  /** The file; nothing can be added any more. */
  finish(): Buffer {
    const size = this.#growing.reduce((sum, list) => sum + sizeOf(list), 0)
    const header = this.#headroom
    const blockHead = header + ocfHeaderLength('null')
    const start = blockHead + longSize(this.lists) + longSize(size)
    const file = spare.take(start + size + syncMarkerBytes)
    const syncMarker = newSyncMarker()
    writeOcfHeader(file, header, syncMarker, 'null')
    writeLong(file, writeLong(file, blockHead, this.lists), size)
    this.#place(file, start)
    file.set(syncMarker, start + size)
    this.#forgetLists()
    this.#file = file
    return file.subarray(header, start + size + syncMarkerBytes)
  }

  /** Nobody looks at the file any more: its memory may be used for others. */
  release(): void {
    if (this.#file !== undefined) spare.give(this.#file)
    this.#file = undefined
  }

  #openList(head: ListHead): void {
    head.file = this
    head.list = this.lists++
    this.#growing.push({ head, count: 0, byteLength: 0 })
    this.#overheadBytes += head.bytes.length + listOverheadBytes
  }

  #grow(bytes: number): void {
    const larger = spare.take(bytes)
    larger.set(this.#waiting.subarray(0, this.#waitingBytes))
    spare.give(this.#waiting)
    this.#waiting = larger
    this.#copier = new ByteCopier(larger)
  }

  /** Writes all lists from `pos` on: first what stands around their datapoints, then these, to where they belong. */
  #place(file: Buffer, pos: number): void {
    const ends = this.#growing.map((list) => {
      const start = writeListHead(file, pos, list)
      pos = start + list.byteLength
      file[pos++] = 0
      return start
    })
    this.#pieces.place(this.#waiting.buffer, new ByteCopier(file), ends)
  }

  /** Heads live on: one that is used no more must not keep this file, its other heads and so their files. */
  #forgetLists(): void {
    for (const { head } of this.#growing) if (head.file === this) head.file = undefined
    this.#growing = []
    this.#pieces.release()
    spare.give(this.#waiting)
    this.#waiting = none
  }
}

/** A list that has no datapoints is nothing but its head and the end of its array. */
function sizeOf({ head, count, byteLength }: GrowingList): number {
  return head.bytes.length + (count === 0 ? 0 : longSize(-count) + longSize(byteLength)) + byteLength + 1
}

/** @returns where its datapoints begin */
function writeListHead(file: Buffer, pos: number, { head, count, byteLength }: GrowingList): number {
  file.set(head.bytes, pos)
  pos += head.bytes.length
  return count === 0 ? pos : writeLong(file, writeLong(file, pos, -count), byteLength)
}
