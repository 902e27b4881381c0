/** What finds no room makes room for itself after so many tries: to bring something in costs ten times what a look at it does. */
const usualPatience = 100_000

/** Bytes that were copied to a place where they stay for as long as the room is of that age. */
export interface KeptBytes {
  /** Where they lie, as long as the room has this age. */
  keptAt: number
  keptAge: number
}

/** A stretch of memory for bytes that are looked at again and again. When it is full for long it is emptied, and gets older. */
export class KeptRoom {
  age = 1
  readonly #start: number
  readonly #limit: number
  readonly #patience: number
  #end: number
  #misses = 0

  /** @param patience tries that find no room until it is emptied */
  constructor(start: number, byteLength: number, patience = usualPatience) {
    this.#start = start
    this.#limit = start + byteLength
    this.#patience = patience
    this.#end = start
  }

  /** Room for so many bytes, for `kept`. @returns whether there is any */
  keep(kept: KeptBytes, byteLength: number): boolean {
    if (!this.#hasRoomFor(byteLength) && !(this.miss() && this.#hasRoomFor(byteLength))) return false
    kept.keptAt = this.#end
    kept.keptAge = this.age
    this.#end += byteLength
    return true
  }

  /** Counts a try that found no room. @returns whether it was emptied */
  miss(): boolean {
    if (++this.#misses < this.#patience) return false
    this.#misses = 0
    this.age++
    this.#end = this.#start
    return true
  }

  #hasRoomFor(byteLength: number): boolean {
    return this.#end + byteLength <= this.#limit
  }
}
