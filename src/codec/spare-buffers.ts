/** What is kept for later use at most; a little more than a flood needs from one moment to the next. */
const spareLimitBytes = 32 * 1024 * 1024

/** Few sizes, so that what one gives back another can take. */
const smallestBytes = 4 * 1024
const step = 4

/**
 * Memory that is used again: new memory for large things makes V8 look through the whole heap every few megabytes. Where there is
 * too much of it, what was not asked for longest goes first.
 */
export class SpareBuffers {
  /** By size; the size that was taken last at the end. */
  readonly #bySize = new Map<number, Buffer[]>()
  #bytes = 0

  /** @returns at least so many bytes, with anything in them, in an ArrayBuffer of their own */
  take(bytes: number): Buffer {
    const size = sizeFor(bytes)
    const spare = this.#bySize.get(size) ?? []
    this.#bySize.delete(size)
    this.#bySize.set(size, spare)
    const buffer = spare.pop()
    if (buffer === undefined) return Buffer.allocUnsafeSlow(size)
    this.#bytes -= size
    return buffer
  }

  /** @param buffer that `take` gave, and that nobody looks at any more */
  give(buffer: Buffer): void {
    this.#bySize.get(buffer.length)?.push(buffer)
    this.#bytes += buffer.length
    while (this.#bytes > spareLimitBytes) this.#forgetOne()
  }

  #forgetOne(): void {
    for (const spare of this.#bySize.values()) {
      const forgotten = spare.pop()
      this.#bytes -= forgotten?.length ?? 0
      if (forgotten !== undefined) return
    }
  }
}

function sizeFor(bytes: number): number {
  let size = smallestBytes
  while (size < bytes) size *= step
  return size
}
