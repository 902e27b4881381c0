/** Up to here words are copied one by one: above it, a view and `set` are quicker. */
const mostInWords = 96

/**
 * Copies bytes that lie in an ArrayBuffer into `target`. For fifty bytes, a view of them and `set` cost as much as all words one by
 * one, and the view is three times as large as what is copied: the collector of garbage has it a second time.
 */
export class ByteCopier {
  readonly #target: Uint8Array
  readonly #to: DataView
  #source: ArrayBufferLike
  #from: DataView

  constructor(target: Uint8Array) {
    this.#target = target
    this.#source = target.buffer
    this.#from = new DataView(this.#source)
    this.#to = new DataView(this.#source, target.byteOffset, target.length)
  }

  /** @param start counted from the begin of `source` */
  copy(source: ArrayBufferLike, start: number, length: number, pos: number): void {
    if (length > mostInWords) this.#target.set(new Uint8Array(source, start, length), pos)
    else copyWords(this.#viewOf(source), start, length, this.#to, pos)
  }

  /** What is copied together nearly always comes from the same memory. */
  #viewOf(source: ArrayBufferLike): DataView {
    if (source !== this.#source) {
      this.#source = source
      this.#from = new DataView(source)
    }
    return this.#from
  }
}

/** In whichever byte order, as long as it is the same; this one is that of most processors. */
function copyWords(from: DataView, start: number, length: number, to: DataView, pos: number): void {
  let at = 0
  for (; at + 16 <= length; at += 16) {
    to.setInt32(pos + at, from.getInt32(start + at, true), true)
    to.setInt32(pos + at + 4, from.getInt32(start + at + 4, true), true)
    to.setInt32(pos + at + 8, from.getInt32(start + at + 8, true), true)
    to.setInt32(pos + at + 12, from.getInt32(start + at + 12, true), true)
  }
  for (; at + 4 <= length; at += 4) to.setInt32(pos + at, from.getInt32(start + at, true), true)
  for (; at < length; at++) to.setUint8(pos + at, from.getUint8(start + at))
}
