import { byteLengthOf } from '../model/datapoints-view.js'
import type { Datapoints } from '../model/metric-list.js'
import { newSyncMarker, writeDatapoints } from './avro-block.js'
import { ocfHeaderLength, syncMarkerBytes, writeOcfHeader } from './avro-header.js'
import { ByteCopier } from './byte-copier.js'
import { SpareBuffers } from './spare-buffers.js'
import { longSize, writeLong } from './varint.js'

/** How many lists, and their size: two longs of at most five bytes, which are known at the end. */
const blockHeadBytes = 10
/** Counts and size of one list's datapoints, at most. */
const listOverheadBytes = 12

const spare = new SpareBuffers()

/**
 * A container file of one block, made list by list: so lists need not be kept until all of them are there. Its memory comes
 * from files that were given back.
 */
export class ContainerFileBuilder {
  /** What a file without lists takes, at most. */
  static readonly emptyBytes = ocfHeaderLength('null') + blockHeadBytes + syncMarkerBytes
  lists = 0
  datapoints = 0
  readonly #headroom: number
  readonly #start: number
  #bytes: Buffer
  #copier: ByteCopier
  #end: number

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
    return this.#end + syncMarkerBytes - this.#headroom
  }

  /** What a list adds, at most. */
  static sizeOf(head: Uint8Array, datapoints: Datapoints): number {
    return head.length + byteLengthOf(datapoints) + listOverheadBytes
  }

  /** @param head the `encodeHead` of the list */
  add(head: Uint8Array, datapoints: Datapoints): void {
    const most = this.#end + ContainerFileBuilder.sizeOf(head, datapoints) + syncMarkerBytes
    if (most > this.#bytes.length) this.#grow(most)
    const file = this.#bytes
    file.set(head, this.#end)
    this.#end = writeDatapoints(datapoints, file, this.#end + head.length, this.#copier)
    this.lists++
    this.datapoints += datapoints.count
  }

  /** The file; nothing can be added any more. */
  finish(): Buffer {
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

  #grow(bytes: number): void {
    const larger = spare.take(bytes)
    larger.set(this.#bytes.subarray(this.#start, this.#end), this.#start)
    spare.give(this.#bytes)
    this.#bytes = larger
    this.#copier = new ByteCopier(larger)
  }
}
