import { byteLengthOf } from '../model/datapoints-view.js'
import type { Datapoints } from '../model/metric-list.js'
import { newSyncMarker, writeDatapoints } from './avro-block.js'
import { ocfHeaderLength, syncMarkerBytes, writeOcfHeader } from './avro-header.js'
import { ByteCopier } from './byte-copier.js'
import { areWhole } from './datapoints.js'
import { OwnedPieces } from './owned-pieces.js'
import { SpareBuffers } from './spare-buffers.js'
import { longSize, writeLong } from './varint.js'

/** How many lists, and their size: two longs of at most five bytes, which are known at the end. */
const blockHeadBytes = 10
/** Counts and size of one list's datapoints, and their end, at most. */
const listOverheadBytes = 12
/**
 * Lists of so many datapoints are joined where they have the same head: of more of them a head is a smaller part, and what that
 * saves is no more than it costs.
 */
const mostJoined = 4

const spare = new SpareBuffers()

/** Topic and tags of lists, as they stand in front of the datapoints (`encodeHead`). */
export class ListHead {
  readonly bytes: Uint8Array
  /** The file that joins lists of it, and which of its joined lists that is: asked for each list, so there is no map. */
  file: ContainerFileBuilder | undefined
  joined = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

/** Lists that become one. */
interface JoinedList {
  readonly head: ListHead
  count: number
  byteLength: number
}

/**
 * A container file of one block, made list by list, of which none need be kept. Small lists that come under the same head become
 * one, behind all others and in the order in which they came: senders repeat their tags in every block, and these are four fifths of
 * a list of one datapoint. Memory comes from files that were given back.
 */
export class ContainerFileBuilder {
  /** What a file without lists takes, at most. */
  static readonly emptyBytes = ocfHeaderLength('null') + blockHeadBytes + syncMarkerBytes
  /** How many lists are in it. */
  lists = 0
  datapoints = 0
  readonly #headroom: number
  readonly #start: number
  #bytes: Buffer
  #copier: ByteCopier
  #end: number
  #joined: JoinedList[] = []
  /** What the joined lists take beside their datapoints, at most. */
  #joinedOverheadBytes = 0
  readonly #pieces = new OwnedPieces()

  /**
   * @param headroom so many bytes in front of the file, in its ArrayBuffer, are for who puts something in front of it
   * @param expectedBytes how large it will be, about; it grows where that is too little
   */
  constructor({ headroom = 0, expectedBytes = 0 }: { headroom?: number; expectedBytes?: number } = {}) {
    this.#headroom = headroom
    this.#start = headroom + ocfHeaderLength('null') + blockHeadBytes
    this.#end = this.#start
    this.#bytes = spare.take(this.#start + expectedBytes)
    this.#copier = new ByteCopier(this.#bytes)
  }

  /** What the file takes so far, without headroom, at most. */
  get byteLength(): number {
    return this.#end + this.#joinedOverheadBytes + this.#pieces.byteLength + syncMarkerBytes - this.#headroom
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
    const isOpen = head.file === this
    // A larger one behind small ones joins them, so that they stay in order. Each is looked through before: datapoints of a sender that
    // lies about their sizes must not be taken for those of another.
    const joins = (isOpen || datapoints.count <= mostJoined) && areWhole(datapoints)
    const added = isOpen && joins ? byteLengthOf(datapoints) : ContainerFileBuilder.sizeOf(head, datapoints)
    if (this.byteLength + added > limitBytes) return false
    if (joins) this.#join(isOpen ? this.#joined[head.joined]! : this.#openJoined(head), datapoints)
    else this.#write(head, datapoints)
    this.datapoints += datapoints.count
    return true
  }

  /** The file; nothing can be added any more. */
  finish(): Buffer {
    if (this.#joined.length > 0) this.#writeJoined()
    const file = this.#bytes
    const size = this.#end - this.#start
    const blockHead = this.#start - longSize(this.lists) - longSize(size)
    const header = blockHead - ocfHeaderLength('null')
    const syncMarker = newSyncMarker()
    writeOcfHeader(file, header, syncMarker, 'null')
    writeLong(file, writeLong(file, blockHead, this.lists), size)
    file.set(syncMarker, this.#end)
    return file.subarray(header, this.#end + syncMarkerBytes)
  }

  /** Nobody looks at the file any more: its memory may be used for others. */
  release(): void {
    spare.give(this.#bytes)
  }

  #openJoined(head: ListHead): JoinedList {
    const list = { head, count: 0, byteLength: 0 }
    head.file = this
    head.joined = this.#joined.push(list) - 1
    this.#joinedOverheadBytes += head.bytes.length + listOverheadBytes
    this.lists++
    return list
  }

  #join(list: JoinedList, datapoints: Datapoints): void {
    this.#pieces.add(list.head.joined, datapoints)
    list.count += datapoints.count
    list.byteLength += byteLengthOf(datapoints)
  }

  #write(head: ListHead, datapoints: Datapoints): void {
    this.#makeRoom(ContainerFileBuilder.sizeOf(head, datapoints))
    this.#bytes.set(head.bytes, this.#end)
    this.#end = writeDatapoints(datapoints, this.#bytes, this.#end + head.bytes.length, this.#copier)
    this.lists++
  }

  /** Writes what stands around the datapoints of each joined list, then these, to where they belong. */
  #writeJoined(): void {
    this.#makeRoom(this.#joinedOverheadBytes + this.#pieces.byteLength)
    const file = this.#bytes
    const starts = this.#joined.map((list) => {
      const start = writeListHead(file, this.#end, list)
      this.#end = start + list.byteLength
      file[this.#end++] = 0
      return start
    })
    this.#pieces.place(file, starts)
    this.#forgetJoined()
  }

  /** Heads live on: one that is used no more must not keep this file, its other heads and so their files. */
  #forgetJoined(): void {
    for (const { head } of this.#joined) if (head.file === this) head.file = undefined
    this.#joined = []
    this.#joinedOverheadBytes = 0
    this.#pieces.release()
  }

  /** For so many bytes more, and the marker behind them. */
  #makeRoom(bytes: number): void {
    const most = this.#end + bytes + syncMarkerBytes
    if (most <= this.#bytes.length) return
    const larger = spare.take(most)
    larger.set(this.#bytes.subarray(this.#start, this.#end), this.#start)
    spare.give(this.#bytes)
    this.#bytes = larger
    this.#copier = new ByteCopier(larger)
  }
}

/** @returns where its datapoints begin; one without any is nothing but its head and the end of its array */
function writeListHead(file: Buffer, pos: number, { head, count, byteLength }: JoinedList): number {
  file.set(head.bytes, pos)
  pos += head.bytes.length
  return count === 0 ? pos : writeLong(file, writeLong(file, pos, -count), byteLength)
}
