/**
 * The newest bytes written to a peer that never answers.
 *
 * What the socket took can still be lost: it waits in the buffers of both systems, and a peer that ends throws it away. Nothing tells how far the
 * peer has read. So the bytes are kept until they certainly, or by all experience, left these buffers: when more than `limitBytes`
 * have been written behind them (Linux keeps at most 4 MiB unsent and 6 MiB unread), or after `keepMs`.
 */
export interface UnconfirmedTail {
  /** Keeps a copy. */
  add(bytes: Uint8Array): void
  /** Oldest first; valid until the next `add`. */
  chunks(): readonly Uint8Array[]
  /** Everything was read: nothing needs to be sent again. */
  clear(): void
}

export interface UnconfirmedTailOptions {
  /** A clock that never jumps. */
  readonly nowMs: () => number
  readonly limitBytes?: number
  readonly keepMs?: number
  /** Of the memory in which the bytes lie, one behind the other. */
  readonly pageBytes?: number
}

/** What was added at once. */
interface Chunk {
  readonly length: number
  readonly writtenMs: number
}

export function createUnconfirmedTail(options: UnconfirmedTailOptions): UnconfirmedTail {
  const { nowMs, limitBytes = 10 * 1024 * 1024, keepMs = 60_000, pageBytes } = options
  const pages = new Pages(pageBytes)
  let kept: Chunk[] = []

  function prune() {
    const oldestMs = nowMs() - keepMs
    let gone = 0
    for (const { length, writtenMs } of kept) {
      // What remains behind this chunk must alone reach the limit: half of a line is of no use.
      if (writtenMs >= oldestMs && pages.length - length < limitBytes) break
      pages.drop(length)
      gone++
    }
    if (gone > 0) kept = kept.slice(gone)
  }

  return {
    add(bytes) {
      kept.push({ length: bytes.length, writtenMs: nowMs() })
      pages.add(bytes)
      prune()
    },
    chunks() {
      prune()
      let start = 0
      return kept.flatMap(({ length }) => {
        start += length
        return pages.views(start - length, start)
      })
    },
    clear() {
      pages.drop(pages.length)
      kept = []
    },
  }
}

const usualPageBytes = 256 * 1024
/** Of these each byte that is added needs no fresh memory, which costs as much as the line in it. */
const mostSparePages = 8

/** A queue of bytes in pages, which are used again. */
class Pages {
  length = 0
  readonly #pageBytes: number
  readonly #pages: Buffer[] = []
  readonly #spare: Buffer[] = []
  /** Where the oldest byte is in the first page. */
  #start = 0

  constructor(pageBytes = usualPageBytes) {
    this.#pageBytes = pageBytes
  }

  add(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; ) {
      const at = this.#start + this.length
      const page = this.#pages[Math.floor(at / this.#pageBytes)] ?? this.#newPage()
      const part = bytes.subarray(from, from + this.#pageBytes - (at % this.#pageBytes))
      page.set(part, at % this.#pageBytes)
      from += part.length
      this.length += part.length
    }
  }

  /** Forgets the oldest bytes. */
  drop(length: number): void {
    this.#start += length
    this.length -= length
    for (; this.#start >= this.#pageBytes; this.#start -= this.#pageBytes)
      this.#spare.push(this.#pages.shift() as Buffer)
    this.#spare.length = Math.min(this.#spare.length, mostSparePages)
  }

  /** The bytes from `start` to `end`, counted from the oldest one. */
  views(start: number, end: number): Buffer[] {
    const views: Buffer[] = []
    for (let from = this.#start + start; from < this.#start + end; ) {
      const at = from % this.#pageBytes
      const page = this.#pages[Math.floor(from / this.#pageBytes)] as Buffer
      const view = page.subarray(at, at + this.#start + end - from)
      views.push(view)
      from += view.length
    }
    return views
  }

  #newPage(): Buffer {
    const page = this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#pageBytes)
    this.#pages.push(page)
    return page
  }
}
