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
  readonly length: number
  /** What came behind it the last time: the first guess for the next time. */
  next: Entry<Made> | undefined
}

/**
 * Remembers what `make` answered for the names of datapoints, as a text cache does. Within lists, names come in the same order again
 * and again, so most are recognised by their bytes, without a string and without a look into a table.
 */
export class NameCache<Made> {
  readonly #entryOf: (text: string) => Entry<Made>
  #last: Entry<Made> | undefined

  constructor(make: (text: string) => Made, limit?: number) {
    this.#entryOf = createTextCache((text) => newEntry(text, make(text)), limit)
  }

  /** The name of the datapoint at which the reader stands. */
  nameAt({ view, nameStart, nameLength, isFirst }: DatapointReader): KnownName<Made> {
    // What the list before ended with says nothing of this one.
    if (isFirst) this.#last = undefined
    const guess = this.#last?.next
    if (guess?.length === nameLength && sameBytes(guess.bytes, 0, view, nameStart, nameLength)) {
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

function newEntry<Made>(text: string, made: Made): Entry<Made> {
  const bytes = Buffer.from(text)
  return { text, made, bytes: viewOf(bytes), length: bytes.length, next: undefined }
}
