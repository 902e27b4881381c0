import { byteLengthOf, DatapointsView } from '../model/datapoints-view.js'
import type { Datapoints } from '../model/metric-list.js'
import { ByteCopier } from './byte-copier.js'
import { SpareBuffers } from './spare-buffers.js'

/** A piece is two numbers: whose it is, and how long. */
const pieceNumbers = 2

const spare = new SpareBuffers()
const none: Buffer = Buffer.alloc(0)
const nowhere = new ByteCopier(none)
const noNumbers = new Int32Array(0)

/**
 * Datapoints of several owners (numbered from 0) that come in turn and are to lie together. They wait behind each other until all
 * have come; whose each piece is are two numbers in memory that is used again, where an object for each would be as large as
 * the piece.
 */
export class OwnedPieces {
  byteLength = 0
  #waiting: Buffer = none
  #copier = nowhere
  #memory: Buffer = none
  #numbers: Int32Array = noNumbers
  #used = 0

  add(owner: number, datapoints: Datapoints): void {
    const length = byteLengthOf(datapoints)
    if (this.byteLength + length > this.#waiting.length) this.#makeRoom(this.byteLength + length)
    if (datapoints instanceof DatapointsView)
      this.#copier.copy(datapoints.around, datapoints.byteOffset, length, this.byteLength)
    else this.#waiting.set(datapoints.bytes, this.byteLength)
    this.byteLength += length
    this.#note(owner, length)
  }

  /**
   * Copies the pieces to where their owners have them, each behind the one before of the same owner.
   *
   * @param ends for each owner, where its next piece goes to in `target`; behind its last one afterwards
   */
  place(target: Buffer, ends: number[]): void {
    const copier = new ByteCopier(target)
    const numbers = this.#numbers
    const source = this.#waiting.buffer
    let start = 0
    for (let at = 0; at < this.#used; at += pieceNumbers) {
      const owner = numbers[at]!
      const length = numbers[at + 1]!
      const end = ends[owner]!
      copier.copy(source, start, length, end)
      ends[owner] = end + length
      start += length
    }
  }

  /** Nothing waits any more: its memory may be used for others. */
  release(): void {
    this.#used = 0
    this.byteLength = 0
    spare.give(this.#memory)
    spare.give(this.#waiting)
    this.#numbers = noNumbers
    this.#memory = this.#waiting = none
  }

  #note(owner: number, length: number): void {
    const last = this.#used - pieceNumbers
    if (last >= 0 && this.#numbers[last] === owner) {
      this.#numbers[last + 1]! += length
      return
    }
    if (this.#used + pieceNumbers > this.#numbers.length) this.#makeRoomForNumbers()
    this.#numbers[this.#used] = owner
    this.#numbers[this.#used + 1] = length
    this.#used += pieceNumbers
  }

  #makeRoom(bytes: number): void {
    this.#waiting = larger(this.#waiting, bytes)
    this.#copier = new ByteCopier(this.#waiting)
  }

  #makeRoomForNumbers(): void {
    this.#memory = larger(this.#memory, this.#memory.length + 1)
    this.#numbers = new Int32Array(this.#memory.buffer)
  }
}

function larger(buffer: Buffer, bytes: number): Buffer {
  const grown = spare.take(bytes)
  grown.set(buffer)
  spare.give(buffer)
  return grown
}
