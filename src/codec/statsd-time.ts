import { writeLong } from './varint.js'

/** A time in Avro's encoding (a long of milliseconds), made once for all datapoints of a packet. */
export class EncodedTime {
  /** Holds it from its begin on. */
  readonly bytes: Uint8Array
  readonly view: DataView
  length = 0
  readonly #onLength: (length: number) => void
  #timeMs = -1

  /**
   * @param bytes where it is written
   * @param onLength is told how long it is whenever that changes
   */
  constructor(bytes: Uint8Array, onLength: (length: number) => void) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#onLength = onLength
  }

  set(timeMs: number): void {
    if (timeMs === this.#timeMs) return
    this.#timeMs = timeMs
    const length = writeLong(this.bytes, 0, timeMs)
    if (length === this.length) return
    this.length = length
    this.#onLength(length)
  }
}
