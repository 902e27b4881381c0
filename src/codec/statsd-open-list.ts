import { DatapointsView } from '../model/datapoints-view.js'
import type { MetricList, Tag } from '../model/metric-list.js'
import type { Cut } from './statsd-slabs.js'

const smallestBuffer = 1024
/** Avro's longest varint; a name's length and a time take less, so this much is always enough for either. */
const longestVarint = 10
const doubleBytes = 8
/** Names and times are copied four bytes at a time, which is four times as quick; the last time up to three too many. */
const slackBytes = 4

/** Bytes to write datapoints into, lent to a list while it is open: a list that nobody writes to needs none. */
export class Scratch {
  readonly bytes: Buffer
  readonly view: DataView

  constructor(size = smallestBuffer) {
    this.bytes = Buffer.allocUnsafeSlow(size)
    this.view = new DataView(this.bytes.buffer)
  }
}

const noScratch = new Scratch(0)

/** A time in Avro's encoding (a zigzag varint of milliseconds), made once for all datapoints of a packet. */
export class EncodedTime {
  readonly bytes = Buffer.alloc(longestVarint + slackBytes)
  readonly view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length)
  length = 0
  #timeMs = -1

  set(timeMs: number): void {
    if (timeMs === this.#timeMs) return
    this.#timeMs = timeMs
    this.length = 0
    // Zigzag doubles what is not negative; beyond 32 bits only arithmetic is exact, not shifts.
    let rest = timeMs * 2
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.bytes[this.length++] = (rest % 128) | 128
    this.bytes[this.length++] = rest
  }
}

/** A MetricList in the making: its datapoints are written in their Avro encoding as they come. */
export class OpenList {
  readonly topic: string
  readonly tags: readonly Tag[]
  count = 0
  #used = 0
  #scratch = noScratch

  constructor(topic: string, tags: readonly Tag[]) {
    this.topic = topic
    this.tags = tags
  }

  /** Bytes written so far. */
  get byteLength(): number {
    return this.#used
  }

  open(scratch: Scratch): void {
    this.#scratch = scratch
  }

  /**
   * Name (copied from `source`), time, value: the field order of schema/metrics.avsc.
   *
   * @param source goes on for at least three bytes behind `nameEnd`
   */
  write(source: DataView, nameStart: number, nameEnd: number, time: EncodedTime, value: number): void {
    const nameLength = nameEnd - nameStart
    const most = this.#used + longestVarint + nameLength + longestVarint + doubleBytes + slackBytes
    if (most > this.#scratch.bytes.length) this.#grow(most)
    const { bytes, view } = this.#scratch
    const nameAt = writeLength(bytes, this.#used, nameLength)
    copyWords(source, nameStart, view, nameAt, nameLength)
    const timeAt = nameAt + nameLength
    copyWords(time.view, 0, view, timeAt, time.length)
    const valueAt = timeAt + time.length
    view.setFloat64(valueAt, value, true)
    this.#used = valueAt + doubleBytes
    this.count++
  }

  /** The list as it is now, its bytes copied to where `target` says; then it is empty and gives its scratch back. */
  close(target: Cut): { list: MetricList; scratch: Scratch } {
    const { topic, tags, count } = this
    const scratch = this.#scratch
    scratch.bytes.copy(target.bytes, target.offset, 0, this.#used)
    const { buffer, byteOffset } = target.bytes
    const datapoints = new DatapointsView(count, buffer, byteOffset + target.offset, this.#used)
    this.#scratch = noScratch
    this.#used = 0
    this.count = 0
    return { list: { topic, tags, datapoints }, scratch }
  }

  #grow(most: number): void {
    const grown = new Scratch(Math.max(most, this.#scratch.bytes.length * 2))
    this.#scratch.bytes.copy(grown.bytes, 0, 0, this.#used)
    this.#scratch = grown
  }
}

/** The varint in front of an Avro string, zigzagged. */
function writeLength(bytes: Uint8Array, at: number, length: number): number {
  let rest = length * 2
  for (; rest >= 128; rest >>>= 7) bytes[at++] = (rest & 127) | 128
  bytes[at++] = rest
  return at
}

/** Copies `length` bytes, and up to three more. */
function copyWords(from: DataView, fromAt: number, to: DataView, toAt: number, length: number): void {
  for (let done = 0; done < length; done += 4) to.setInt32(toAt + done, from.getInt32(fromAt + done))
}
