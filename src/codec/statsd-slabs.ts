/**
 * Chunks are cut from pieces of this size: a piece for each (about 4 KB) would cost a tenth of the whole in allocation and
 * garbage collection.
 */
const slabBytes = 64 * 1024
/**
 * 10 MiB of slabs wait to be used again: what --output-collector-buffer-kbytes lets wait by default, and a write under way. With 4 MiB, what a
 * flood had under way beyond that became garbage: 65 MiB of memory after some minutes of floods, 46 with ten.
 */
const spareSlabs = 160

/** Where something may be written. */
export interface Cut {
  readonly bytes: Buffer
  readonly offset: number
}

interface Slab {
  readonly bytes: Buffer
  /** Pieces that were cut from it and not given back. */
  cuts: number
}

/**
 * Memory for the datapoints of chunks. What comes back with `release` is written to again: new memory for each chunk would
 * make V8 look through the whole heap every few megabytes, which took a third of the proxy's time in a flood.
 * What never comes back is left to the garbage collector.
 */
export class Slabs {
  readonly #byMemory = new Map<ArrayBufferLike, Slab>()
  readonly #spare: Slab[] = []
  #current: Slab = { bytes: Buffer.alloc(0), cuts: 0 }
  #used = 0

  /** @param pieces in how many pieces it will come back */
  cut(length: number, pieces: number): Cut {
    if (this.#used + length > this.#current.bytes.length) this.#startSlab(length)
    const offset = this.#used
    this.#used += length
    this.#current.cuts += pieces
    return { bytes: this.#current.bytes, offset }
  }

  /** @param memory where a piece lies that was cut; nobody looks at that any more */
  release(memory: ArrayBufferLike): void {
    const slab = this.#byMemory.get(memory)
    if (slab === undefined) return
    slab.cuts--
    if (slab.cuts === 0 && slab !== this.#current) this.#retire(slab)
  }

  #startSlab(length: number): void {
    const former = this.#current
    this.#current = length <= slabBytes ? (this.#spare.pop() ?? this.#createSlab()) : oneOf(length)
    this.#used = 0
    if (former.cuts === 0 && former.bytes.length > 0) this.#retire(former)
  }

  #createSlab(): Slab {
    const slab = oneOf(slabBytes)
    // What is under way for long, such as while the collector is away, must not be looked for in an endless map.
    if (this.#byMemory.size < 2 * spareSlabs) this.#byMemory.set(slab.bytes.buffer, slab)
    return slab
  }

  #retire(slab: Slab): void {
    if (!this.#byMemory.has(slab.bytes.buffer)) return
    if (this.#spare.length < spareSlabs) this.#spare.push(slab)
    else this.#byMemory.delete(slab.bytes.buffer)
  }
}

function oneOf(length: number): Slab {
  return { bytes: Buffer.allocUnsafeSlow(length), cuts: 0 }
}
