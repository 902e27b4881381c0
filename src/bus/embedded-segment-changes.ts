import type { Env } from './embedded-env.js'
import {
  decodeSegment,
  encodeSegment,
  type Run,
  type SegmentRecord,
  segmentKey,
  segmentOfKey,
} from './embedded-records.js'

/**
 * A segment that nobody seals, because its writer is idle or has died, and in which nothing is left, goes after this time. A
 * writer that lives finds that out before its messages get a place, and takes another.
 */
const staleMs = 60_000

/** Without a record a segment is of nobody: what is found of it goes, and who may write to it is not known. */
const missing: SegmentRecord = { liveBytes: 0, isSealed: false, touchedMs: Number.NEGATIVE_INFINITY }

/** A segment whose record goes. */
export interface GoneSegment {
  readonly segment: number
  /** Its writer has sealed it; else one that lives may still write to its file. */
  readonly isSealed: boolean
}

/** What one transaction changes in the records of segments. */
export class SegmentChanges {
  readonly #env: Pick<Env, 'segments'>
  readonly #nowMs: number
  readonly #changed = new Map<number, SegmentRecord>()

  constructor(env: Pick<Env, 'segments'>, nowMs: number) {
    this.#env = env
    this.#nowMs = nowMs
  }

  /** A new one, still empty. */
  reserve(segment: number): void {
    this.#changed.set(segment, { liveBytes: 0, isSealed: false, touchedMs: this.#nowMs })
  }

  /** @param isSealed nothing more will be written to it */
  append(segment: number, bytes: number, isSealed: boolean): void {
    const { liveBytes } = this.#record(segment)
    this.#changed.set(segment, { liveBytes: liveBytes + bytes, isSealed, touchedMs: this.#nowMs })
  }

  remove({ segment, bytes }: Run): void {
    const record = this.#record(segment)
    this.#changed.set(segment, { ...record, liveBytes: Math.max(0, record.liveBytes - bytes) })
  }

  /** Looks for segments that became empty without a change, too. */
  sweep(): void {
    for (const { key, value } of this.#env.segments.getRange()) {
      const segment = segmentOfKey(key)
      const record = decodeSegment(value)
      if (!this.#changed.has(segment) && this.#isGone(record)) this.#changed.set(segment, record)
    }
  }

  /** Segments whose files are of no use once the transaction is committed. */
  get gone(): GoneSegment[] {
    return [...this.#changed].flatMap(([segment, record]) =>
      this.#isGone(record) ? [{ segment, isSealed: record.isSealed }] : [],
    )
  }

  /** To be called inside the transaction. */
  put(): void {
    for (const [segment, record] of this.#changed) {
      if (this.#isGone(record)) void this.#env.segments.remove(segmentKey(segment))
      else void this.#env.segments.put(segmentKey(segment), encodeSegment(record))
    }
  }

  #isGone({ liveBytes, isSealed, touchedMs }: SegmentRecord): boolean {
    return liveBytes === 0 && (isSealed || touchedMs < this.#nowMs - staleMs)
  }

  #record(segment: number): SegmentRecord {
    const changed = this.#changed.get(segment)
    if (changed !== undefined) return changed
    const record = this.#env.segments.getBinary(segmentKey(segment))
    return record === undefined ? missing : decodeSegment(record)
  }
}
