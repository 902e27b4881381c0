import { viewOf } from './avro-cursor.js'
import { sameBytes } from './byte-compare.js'
import type { DatapointReader } from './datapoint-reader.js'
import { createTextCache } from './text-cache.js'
import { readUtf8 } from './utf8.js'

/** A name, and what was made of it. */
export interface KnownName<Made> {
  readonly text: string
  readonly made: Made
}

interface Entry<Made> extends KnownName<Made> {
  readonly bytes: DataView
  /** What came behind it the last time: the first guess for the next time. */
  next: Entry<Made> | undefined
}

/**
 * Remembers what `make` answered for the names of datapoints, as a text cache does. Names come in the same order again and again,
 * so most are recognised by their bytes, without a string and without a look into a table.
 */
export class NameCache<Made> {
  readonly #entryOf: (text: string) => Entry<Made>
  #last: Entry<Made> | undefined

  constructor(make: (text: string) => Made, limit?: number) {
    const newEntry = (text: string) => ({ text, made: make(text), bytes: viewOf(Buffer.from(text)), next: undefined })
    this.#entryOf = createTextCache<Entry<Made>>(newEntry, limit)
  }

  /** The name of the datapoint at which the reader stands. */
  nameAt(reader: DatapointReader): KnownName<Made> {
    const { view, nameStart, nameLength } = reader
    const guess = this.#last?.next
    if (guess?.bytes.byteLength === nameLength && sameBytes(guess.bytes, 0, view, nameStart, nameLength)) {
      this.#last = guess
      return guess
    }
    return this.#lookUp(readUtf8(view, nameStart, nameLength))
  }

  #lookUp(text: string): Entry<Made> {
    const entry = this.#entryOf(text)
    if (this.#last !== undefined) this.#last.next = entry
    this.#last = entry
    return entry
  }
}
