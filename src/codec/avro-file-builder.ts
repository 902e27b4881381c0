import { byteLengthOf } from '../model/datapoints-view.js'
import type { Datapoints } from '../model/metric-list.js'
import { newSyncMarker } from './avro-block.js'
import { ocfHeaderLength, syncMarkerBytes, writeOcfHeader } from './avro-header.js'
import { areWhole } from './datapoints.js'
import { OwnedPieces } from './owned-pieces.js'
import { SpareBuffers } from './spare-buffers.js'
import { longSize, writeLong } from './varint.js'

/** How many lists, and their size: two longs of at most five bytes, which are known at the end. */
const blockHeadBytes = 10
/** Counts and size of one list's datapoints, and their end, at most. */
const listOverheadBytes = 12

const spare = new SpareBuffers()

/**
 * Lists of at most so many datapoints are joined where they have the same head. They are looked through before: datapoints of
 * a sender that lies about their sizes must not be taken for others of the same list. Of more than these a head is a small part.
 */
const mostJoined = 16

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
 * A container file of one block, made list by list, of which none need be kept. Small lists that come under the same head become
 * one, in the order in which they came: senders repeat their tags in every block, and these are four fifths of a list of one
 * datapoint. Datapoints wait behind each other for the end, when it is known where each list begins. Memory comes from files
 * that were given back.
 */
export class ContainerFileBuilder {
  /** What a file without lists takes, at most. */
  static readonly emptyBytes = ocfHeaderLength('null') + blockHeadBytes + syncMarkerBytes
  /** How many lists are in it. */
  lists = 0
  datapoints = 0
  readonly #headroom: number
  readonly #pieces: OwnedPieces
  #growing: GrowingList[] = []
  #overheadBytes = 0
  #file: Buffer | undefined

  /**
   * @param headroom so many bytes in front of the file, in its ArrayBuffer, are for who puts something in front of it
   * @param expectedBytes how large it will be, about; it grows where that is too little
   */
  constructor({ headroom = 0, expectedBytes = 0 }: { headroom?: number; expectedBytes?: number } = {}) {
    this.#headroom = headroom
    this.#pieces = new OwnedPieces(expectedBytes)
  }

  /** What the file takes so far, without headroom, at most. */
  get byteLength(): number {
    return ContainerFileBuilder.emptyBytes + this.#overheadBytes + this.#pieces.byteLength
  }

  /** What a list takes, at most. */
  static sizeOf(head: ListHead, datapoints: Datapoints): number {
    return head.bytes.length + byteLengthOf(datapoints) + listOverheadBytes
  }

  /**
   * @param limitBytes what `byteLength` may be then
   * @returns false where it would be more, and nothing was added
   */
  add(head: ListHead, datapoints: Datapoints, limitBytes = Number.POSITIVE_INFINITY): boolean {
    const joins = datapoints.count <= mostJoined && areWhole(datapoints)
    const isOpen = joins && head.file === this
    const length = byteLengthOf(datapoints)
    const added = isOpen ? length : ContainerFileBuilder.sizeOf(head, datapoints)
    if (this.byteLength + added > limitBytes) return false
    const list = isOpen ? this.#growing[head.list]! : this.#openList(head)
    // What comes behind a list that is not joined must not come in front of it.
    if (!joins) head.file = undefined
    this.#pieces.add(head.list, datapoints)
    list.byteLength += length
    list.count += datapoints.count
    this.datapoints += datapoints.count
    return true
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
    this.#pieces.place(file, this.#writeHeads(file, start))
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

  #openList(head: ListHead): GrowingList {
    const list = { head, count: 0, byteLength: 0 }
    head.file = this
    head.list = this.lists++
    this.#growing.push(list)
    this.#overheadBytes += head.bytes.length + listOverheadBytes
    return list
  }

  /** Writes what stands around the datapoints. @returns where those of each list begin */
  #writeHeads(file: Buffer, pos: number): number[] {
    return this.#growing.map((list) => {
      const start = writeListHead(file, pos, list)
      pos = start + list.byteLength
      file[pos++] = 0
      return start
    })
  }

  /** Heads live on: one that is used no more must not keep this file, its other heads and so their files. */
  #forgetLists(): void {
    for (const { head } of this.#growing) if (head.file === this) head.file = undefined
    this.#growing = []
    this.#pieces.release()
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
