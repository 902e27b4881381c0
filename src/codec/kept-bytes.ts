/** What finds no room makes room for itself after so many tries: to bring something in costs ten times what a look at it does. */
const missesUntilEmptied = 100_000

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
  #end: number
  #misses = 0

  constructor(start: number, byteLength: number) {
    this.#start = start
    this.#limit = start + byteLength
    this.#end = start
  }

  /** Room for so many bytes, for `kept`. @returns whether there is any */
  keep(kept: KeptBytes, byteLength: number): boolean {
    if (this.#end + byteLength > this.#limit) {
      if (++this.#misses < missesUntilEmptied) return false
      this.#misses = 0
      this.age++
      this.#end = this.#start
    }
    kept.keptAt = this.#end
    kept.keptAge = this.age
    this.#end += byteLength
    return true
  }
}
