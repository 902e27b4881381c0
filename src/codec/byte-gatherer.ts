/**
 * Puts pieces of known final size together. Its buffer doubles while it grows, so that many small pieces are not
 * copied again and again, and a size that was only claimed takes no memory.
 */
export class ByteGatherer {
  #bytes = Buffer.alloc(0)
  length = 0

  /** What has been gathered; a view that is good until the next `add`. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.length)
  }

  /**
   * Takes from `piece`, beginning at `from`, until `targetLength` bytes are together.
   *
   * @returns the position in `piece` behind what was taken
   */
  add(piece: Uint8Array, from: number, targetLength: number): number {
    const until = Math.min(piece.length, from + targetLength - this.length)
    this.#makeRoom(this.length + until - from, targetLength)
    this.#bytes.set(piece.subarray(from, until), this.length)
    this.length += until - from
    return until
  }

  /** Hands the bytes over and is empty again: what was handed over is never written to any more. */
  take(): Buffer {
    const bytes = this.bytes
    this.#bytes = Buffer.alloc(0)
    this.length = 0
    return bytes
  }

  #makeRoom(length: number, targetLength: number): void {
    if (length <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(length, Math.min(targetLength, Math.max(2 * length, 16 * 1024))))
    grown.set(this.#bytes.subarray(0, this.length))
    this.#bytes = grown
  }
}
