import type { Datapoints } from './metric-list.js'

/**
 * Datapoints that lie among others. The view of their bytes is made only for who asks for it, which a hop that passes them on does
 * not: of what a list takes in memory, two thirds would be that view.
 */
export class DatapointsView implements Datapoints {
  readonly count: number
  readonly byteLength: number
  /** Holds them, from `byteOffset` on. */
  readonly around: ArrayBufferLike
  readonly byteOffset: number
  /** In how many lists they came. */
  readonly lists: number
  #bytes: Uint8Array | undefined

  constructor(count: number, around: ArrayBufferLike, byteOffset: number, byteLength: number, lists = 1) {
    this.count = count
    this.byteLength = byteLength
    this.around = around
    this.byteOffset = byteOffset
    this.lists = lists
    this.#bytes = undefined
  }

  get bytes(): Uint8Array {
    this.#bytes ??= new Uint8Array(this.around, this.byteOffset, this.byteLength)
    return this.#bytes
  }
}

/** The length of `datapoints.bytes`. */
export function byteLengthOf(datapoints: Datapoints): number {
  return datapoints instanceof DatapointsView ? datapoints.byteLength : datapoints.bytes.length
}

/** What `datapoints.bytes` lie in, with others. */
export function memoryOf(datapoints: Datapoints): ArrayBufferLike {
  return datapoints instanceof DatapointsView ? datapoints.around : datapoints.bytes.buffer
}

/** In how many lists they came from their sender: more than one where a reader has joined them. */
export function listsOf(datapoints: Datapoints): number {
  return datapoints instanceof DatapointsView ? datapoints.lists : 1
}
