import type { IncomingMessage, StartFrom } from './bus.js'
import type { Env } from './embedded-env.js'
import {
  decodeLog,
  decodeOffset,
  decodeRun,
  decodeRunMessages,
  indexKey,
  isOfPartition,
  type LogRecord,
  offsetOfKey,
  type PartitionId,
  partitionKey,
  type Run,
  runKey,
  segmentKey,
} from './embedded-records.js'
import { SegmentReader } from './embedded-segments.js'
import { TopicNames } from './embedded-topics.js'

export const logKey = Buffer.from('log')

const emptyLog: LogRecord = {
  nextRun: 0,
  nextTopicId: 0,
  nextSegment: 0,
  removedSegments: 0,
  storedBytes: 0,
  lastTimeMs: 0,
}

/** What a look at one offset finds. */
export interface Found {
  /** From the offset on, to the end of its run; fewer where the disk has not kept them. */
  readonly messages: readonly IncomingMessage[]
  /** The first offset behind the run. */
  readonly end: bigint
}

/** Topics and messages in one directory, as every reader sees them; ./embedded-writer.ts appends to them. */
export class Store {
  readonly topics: TopicNames
  readonly partitions: number
  readonly #env: Env
  readonly #segments: SegmentReader
  #removedSegments = 0

  constructor(env: Env, partitions: number) {
    this.#env = env
    this.#segments = new SegmentReader(env.dir)
    this.partitions = partitions
    this.topics = new TopicNames(env)
  }

  /** Brings what other processes did into sight, in one snapshot until the next call. */
  refresh(): { record: LogRecord; version: number | undefined } {
    this.#env.refresh()
    const entry = this.#env.log.getEntry(logKey)
    const record = entry === undefined ? emptyLog : decodeLog(entry.value)
    this.topics.readUpTo(record.nextTopicId)
    if (record.removedSegments !== this.#removedSegments) this.#letGo()
    this.#removedSegments = record.removedSegments
    return { record, version: entry?.version }
  }

  /** The runs from number `from` on, before number `next`; undefined where some of them are gone. */
  runsSince(from: number, next: number): Run[] | undefined {
    const found: Run[] = []
    let expected = from
    for (const { key, value } of this.#env.runs.getRange({ start: runKey(from) })) {
      if (!key.equals(runKey(expected))) return undefined
      found.push(decodeRun(value))
      expected++
    }
    return expected === next ? found : undefined
  }

  /** The offset that the next message will have. */
  head(id: PartitionId): bigint {
    const bytes = this.#env.heads.getBinary(partitionKey(id))
    return bytes === undefined ? 0n : decodeOffset(bytes)
  }

  /** The offset of the oldest message that is still there; the head where there is none. */
  oldest(id: PartitionId): bigint {
    for (const key of this.#env.index.getKeys({ start: indexKey(id, 0n), end: indexKey(id), limit: 1 })) {
      return offsetOfKey(key)
    }
    return this.head(id)
  }

  /**
   * The messages at and behind `offset`, up to the end of what was appended with them; undefined where there is none. What
   * other processes did meanwhile is in sight then, as after `refresh`; their new topics are not.
   */
  read(topic: string, id: PartitionId, offset: bigint): Found | undefined {
    const run = this.#runAt(id, offset)
    if (run === undefined) return undefined
    const bytes = this.#bytesOf(run)
    // Retention may have removed it since the last refresh: then the newest snapshot does not have it either.
    if (bytes === undefined && this.#runAt(id, offset) === undefined) return undefined
    const messages = bytes === undefined ? [] : decodeRunMessages(topic, run, bytes)
    return { messages: messages.slice(Number(offset - run.firstOffset)), end: run.firstOffset + BigInt(run.count) }
  }

  /** Where a reader that starts at `from` begins. */
  offsetAt(id: PartitionId, from: StartFrom): bigint {
    if (from === 'latest') return this.head(id)
    const oldest = this.oldest(id)
    return from === 'earliest' ? oldest : this.#firstSince(id, from.timeMs, oldest)
  }

  /** Closes what is open; it can be read again. */
  close(): void {
    this.#segments.close()
  }

  // Times never go back along a partition, and no offset between oldest and head is missing.
  #firstSince(id: PartitionId, timeMs: number, oldest: bigint): bigint {
    let low = oldest
    let high = this.head(id)
    while (low < high) {
      const middle = (low + high) / 2n
      const run = this.#runAt(id, middle)
      if (run !== undefined && run.timeMs >= timeMs) high = middle
      else low = middle + 1n
    }
    return low
  }

  /**
   * Undefined where there is no file, or no segment any more: then the newest snapshot is in sight. A file is written over only
   * after the segment's record has gone; so where that is there after the read, what was read was the segment's.
   */
  #bytesOf(run: Run): Buffer | undefined {
    const bytes = this.#segments.read(run)
    this.#env.refresh()
    if (bytes !== undefined && this.#isThere(run.segment)) return bytes
    this.refresh()
    return undefined
  }

  #runAt(id: PartitionId, offset: bigint): Run | undefined {
    const number = this.#env.index.getBinary(indexKey(id, offset)) ?? this.#numberBefore(id, offset)
    const record = number && this.#env.runs.getBinary(number)
    const run = record && decodeRun(record)
    return run && offset < run.firstOffset + BigInt(run.count) ? run : undefined
  }

  #numberBefore(id: PartitionId, offset: bigint): Buffer | undefined {
    for (const { key, value } of this.#env.index.getRange({ start: indexKey(id, offset), reverse: true, limit: 1 })) {
      return isOfPartition(key, id) ? value : undefined
    }
    return undefined
  }

  #letGo(): void {
    this.#segments.keep((segment) => this.#isThere(segment))
  }

  #isThere(segment: number): boolean {
    return this.#env.segments.doesExist(segmentKey(segment))
  }
}
