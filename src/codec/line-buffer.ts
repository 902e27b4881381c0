const firstCapacityBytes = 16 * 1024
/** Parts are copied four bytes at a time, the last time up to three too many. */
const slackBytes = 4
/** A part up to this size is copied word by word: quicker than a call of `set`. */
const shortBytes = 96
/** The longest text of a double has 24 characters (-1.2345678901234567e-300). */
const longestNumber = 32
const digitZero = 48
const minus = 45
const billion = 1e9
const billionDigits = 9

/** Text that is written again and again, encoded once. */
export class LinePart {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly length: number

  constructor(text: string) {
    this.length = Buffer.byteLength(text)
    const padded = Buffer.alloc(this.length + slackBytes)
    padded.write(text)
    this.bytes = padded.subarray(0, this.length)
    this.view = new DataView(padded.buffer, padded.byteOffset, padded.length)
  }
}

/**
 * Lines in the making, as bytes. Strings put together would be as readable, but their pieces, their flattening and their
 * encoding take most of the time that a line takes.
 */
export class LineBuffer {
  #bytes: Buffer
  #view: DataView
  #length = 0

  /** @param capacityBytes about how much is going to be written */
  constructor(capacityBytes = firstCapacityBytes) {
    this.#bytes = Buffer.allocUnsafeSlow(capacityBytes + slackBytes)
    this.#view = new DataView(this.#bytes.buffer)
  }

  get length(): number {
    return this.#length
  }

  addPart({ bytes, view, length }: LinePart): void {
    this.#makeRoom(length)
    const at = this.#length
    if (length > shortBytes) this.#bytes.set(bytes, at)
    else for (let done = 0; done < length; done += 4) this.#view.setInt32(at + done, view.getInt32(done))
    this.#length = at + length
  }

  addText(text: string): void {
    this.#makeRoom(text.length * 3)
    this.#length += this.#bytes.write(text, this.#length)
  }

  /** As `String(value)` writes it. */
  addNumber(value: number): void {
    this.#makeRoom(longestNumber)
    // Most values and all times are whole numbers; -0 is none of them, but is written as 0 all the same.
    if (Number.isSafeInteger(value)) this.#addInteger(value)
    else this.#addAscii(String(value))
  }

  /** What was written; it belongs to the caller, and nothing may be added any more. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  #addInteger(value: number): void {
    let rest = value
    if (rest < 0) {
      this.#bytes[this.#length++] = minus
      rest = -rest
    }
    if (rest >= billion) {
      // What fits into 32 bits is divided several times as quickly.
      const high = Math.floor(rest / billion)
      this.#addInteger(high)
      this.#addDigits(rest - high * billion, billionDigits)
    } else this.#addDigits(rest, digitsOf(rest))
  }

  #addDigits(value: number, count: number): void {
    const bytes = this.#bytes
    const start = this.#length
    let rest = value | 0
    for (let at = start + count - 1; at >= start; at--) {
      const shorter = (rest / 10) | 0
      bytes[at] = digitZero + rest - shorter * 10
      rest = shorter
    }
    this.#length = start + count
  }

  #addAscii(text: string): void {
    for (let i = 0; i < text.length; i++) this.#bytes[this.#length++] = text.charCodeAt(i)
  }

  #makeRoom(bytes: number): void {
    const needed = this.#length + bytes + slackBytes
    if (needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }
}

function digitsOf(value: number): number {
  let count = 1
  for (let limit = 10; value >= limit; limit *= 10) count++
  return count
}
