import type { ByteCopier } from './byte-copier.js'
import { SpareBuffers } from './spare-buffers.js'

/** A piece is two numbers: whose it is, and how long. */
const pieceNumbers = 2

const spare = new SpareBuffers()

/**
 * Bytes that lie behind each other and belong to several owners (numbered from 0) in turn: whose each piece is. Two numbers in
 * memory that is used again, where an object for each would be as large as the piece.
 */
export class PieceList {
  #memory = spare.take(0)
  #numbers = new Int32Array(this.#memory.buffer)
  #used = 0

  add(owner: number, length: number): void {
    const last = this.#used - pieceNumbers
    if (last >= 0 && this.#numbers[last] === owner) {
      this.#numbers[last + 1]! += length
      return
    }
    if (this.#used + pieceNumbers > this.#numbers.length) this.#grow()
    this.#numbers[this.#used] = owner
    this.#numbers[this.#used + 1] = length
    this.#used += pieceNumbers
  }

  /**
   * Copies the pieces to where their owners have them, each behind the one before of the same owner.
   *
   * @param source where the pieces lie, from its begin
   * @param ends for each owner, where its next piece goes to; behind its last one afterwards
   */
  place(source: ArrayBufferLike, copier: ByteCopier, ends: number[]): void {
    const numbers = this.#numbers
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

  /** Nothing can be added any more: its memory may be used for others. */
  release(): void {
    this.#used = 0
    this.#numbers = new Int32Array(0)
    spare.give(this.#memory)
  }

  #grow(): void {
    const larger = spare.take(this.#memory.length + 1)
    const numbers = new Int32Array(larger.buffer)
    numbers.set(this.#numbers)
    spare.give(this.#memory)
    this.#memory = larger
    this.#numbers = numbers
  }
}
