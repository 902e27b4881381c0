const firstCapacityBytes = 16 * 1024
const largestKeptBytes = 4 * 1024 * 1024
/** Parts are copied eight bytes at a time, the last time up to seven too many. */
const slackBytes = 8
/** A part up to this size is copied so: quicker than a call of `set`. */
const shortBytes = 96
/** The longest text of a double has 24 characters (-1.2345678901234567e-300). */
const longestNumber = 32
export const blank = 32
export const newline = 10
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
  /** The last time's whole seconds, and where their digits are: most times are of the same second as the one before. */
  #seconds = Number.NaN
  #secondsStart = 0
  #secondsLength = 0

  /** @param capacityBytes about how much is going to be written */
  constructor(capacityBytes = firstCapacityBytes) {
    this.#bytes = Buffer.allocUnsafeSlow(capacityBytes + slackBytes)
    this.#view = new DataView(this.#bytes.buffer)
  }

  get length(): number {
    return this.#length
  }

  addPart({ bytes, view, length }: LinePart): void {
    const at = this.#length
    if (at + length + slackBytes > this.#bytes.length) this.#grow(length)
    if (length > shortBytes) this.#bytes.set(bytes, at)
    else {
      const to = this.#view
      // As doubles, half the time of 32-bit words. Each keeps its bits: only a NaN might not, and no UTF-8 has the bytes of one
      // (0xff, or 0x7f behind 0xf0 to 0xff).
      for (let done = 0; done < length; done += 8) to.setFloat64(at + done, view.getFloat64(done, true), true)
    }
    this.#length = at + length
  }

  addByte(byte: number): void {
    this.#makeRoom(1)
    this.#bytes[this.#length++] = byte
  }

  addText(text: string): void {
    this.#makeRoom(text.length * 3)
    this.#length += this.#bytes.write(text, this.#length)
  }

  /** As `String(value)` writes it. */
  addNumber(value: number): void {
    this.#makeRoom(longestNumber)
    // Most values are whole numbers; -0 is none of them, but is written as 0 all the same.
    if (Number.isSafeInteger(value)) this.#addInteger(value)
    else this.#addAscii(String(value))
  }

  /** Whole milliseconds as `String(timeMs)` writes them, quicker where the second is that of the last time. */
  addTime(timeMs: number): void {
    const seconds = Math.floor(timeMs / 1000)
    if (seconds <= 0 || !Number.isSafeInteger(timeMs)) {
      this.addNumber(timeMs)
      return
    }
    this.addSeconds(seconds)
    this.addDigits(timeMs - seconds * 1000, 3)
  }

  /** As `addNumber`, quicker where it is the same number as the last one. */
  addSeconds(seconds: number): void {
    if (seconds === this.#seconds) {
      this.#addAgain(this.#secondsStart, this.#secondsLength)
      return
    }
    this.#seconds = seconds
    this.#secondsStart = this.#length
    this.addNumber(seconds)
    this.#secondsLength = this.#length - this.#secondsStart
  }

  /** A whole number below 2^31 with `count` digits, zeros in front. */
  addDigits(value: number, count: number): void {
    this.#makeRoom(longestNumber)
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

  /** What was written; valid until something is added or `clear` is called. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Begins anew, in the same memory unless that has grown beyond all measure: fresh memory costs more than lines do. */
  clear(): void {
    this.#length = 0
    this.#seconds = Number.NaN
    if (this.#bytes.length > largestKeptBytes) this.#allocate(firstCapacityBytes)
  }

  /** Adds what was written at `start` once more. */
  #addAgain(start: number, length: number): void {
    this.#makeRoom(length)
    const view = this.#view
    const at = this.#length
    for (let done = 0; done < length; done += 4) view.setInt32(at + done, view.getInt32(start + done, true), true)
    this.#length = at + length
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
      this.addDigits(rest - high * billion, billionDigits)
    } else this.addDigits(rest, digitsOf(rest))
  }

  #addAscii(text: string): void {
    for (let i = 0; i < text.length; i++) this.#bytes[this.#length++] = text.charCodeAt(i)
  }

  #makeRoom(bytes: number): void {
    if (this.#length + bytes + slackBytes > this.#bytes.length) this.#grow(bytes)
  }

  #grow(bytes: number): void {
    const written = this.finish()
    this.#allocate(Math.max(this.#length + bytes, 2 * this.#bytes.length))
    this.#bytes.set(written)
  }

  #allocate(capacityBytes: number): void {
    this.#bytes = Buffer.allocUnsafeSlow(capacityBytes + slackBytes)
    this.#view = new DataView(this.#bytes.buffer)
  }
}

function digitsOf(value: number): number {
  let count = 1
  for (let limit = 10; value >= limit; limit *= 10) count++
  return count
}
