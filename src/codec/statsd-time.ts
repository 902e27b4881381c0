/** Avro's longest long. */
export const longestLong = 10

/** A time in Avro's encoding (a zigzag varint of milliseconds), made once for all datapoints of a packet. */
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
    let length = 0
    // Zigzag doubles what is not negative; beyond 32 bits only arithmetic is exact, not shifts.
    let rest = timeMs * 2
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.bytes[length++] = (rest % 128) | 128
    this.bytes[length++] = rest
    if (length === this.length) return
    this.length = length
    this.#onLength(length)
  }
}
