import { headroomBytes, type IncomingMessage, type OutgoingMessage } from './bus.js'

/** One partition of one topic. Topic ids are given out in the order in which topics appear, from 0. */
export interface PartitionId {
  readonly topicId: number
  readonly partition: number
}

/** What is known of the bus as a whole; changed by every append. */
export interface LogRecord {
  /** The next run's number. */
  readonly nextRun: number
  readonly nextTopicId: number
  readonly nextSegment: number
  /** Segments that are gone: where it changes, readers close what they still have open. */
  readonly removedSegments: number
  /** What the runs that are there take on disk, nearly. */
  readonly storedBytes: number
  /** Time of the newest message; messages never go back in time. */
  readonly lastTimeMs: number
}

/**
 * Messages of one append that follow each other in one partition and in one segment: what readers read, and what retention
 * removes, at once.
 */
export interface Run extends PartitionId {
  readonly firstOffset: bigint
  readonly count: number
  /** When they were published, all of them. */
  readonly timeMs: number
  /** Where they lie: number of the segment, first byte in it, and how many. */
  readonly segment: number
  readonly position: number
  readonly bytes: number
}

/** A file with runs, written by one process. */
export interface SegmentRecord {
  /** Bytes of the runs that are still there; the file goes when the last of them has gone. */
  readonly liveBytes: number
  /** Nothing is written to it any more. */
  readonly isSealed: boolean
  /** When it was last written to. */
  readonly touchedMs: number
}

/** A group's place in one partition. */
export interface PlaceRecord {
  /** Offset of the next message to read. */
  readonly position: bigint
  /** Member that reads the partition; '' for nobody. */
  readonly owner: string
}

// Keys are big-endian, so that LMDB's order of bytes is the order of numbers.

export function partitionKey({ topicId, partition }: PartitionId): Buffer {
  const key = Buffer.allocUnsafe(6)
  key.writeUInt32BE(topicId, 0)
  key.writeUInt16BE(partition, 4)
  return key
}

/** @param offset of the first message of a run; the end of the partition (a key behind every run) unless given */
export function indexKey({ topicId, partition }: PartitionId, offset = 0xffff_ffff_ffff_ffffn): Buffer {
  const key = Buffer.allocUnsafe(14)
  key.writeUInt32BE(topicId, 0)
  key.writeUInt16BE(partition, 4)
  key.writeBigUInt64BE(offset, 6)
  return key
}

export function isOfPartition(key: Buffer, { topicId, partition }: PartitionId): boolean {
  return key.readUInt32BE(0) === topicId && key.readUInt16BE(4) === partition
}

export function offsetOfKey(key: Buffer): bigint {
  return key.readBigUInt64BE(6)
}

export function runKey(run: number): Buffer {
  return uint64(BigInt(run))
}

export function runOfKey(key: Buffer): number {
  return Number(key.readBigUInt64BE(0))
}

export function segmentKey(segment: number): Buffer {
  return uint64(BigInt(segment))
}

export function segmentOfKey(key: Buffer): number {
  return Number(key.readBigUInt64BE(0))
}

/** @param group up to 249 characters, without a NUL */
export function placeKey(group: string, { topicId, partition }: PartitionId): Buffer {
  return Buffer.concat([Buffer.from(`${group}\0`), partitionKey({ topicId, partition })])
}

export function encodeOffset(offset: bigint): Buffer {
  return uint64(offset)
}

export function decodeOffset(bytes: Buffer): bigint {
  return bytes.readBigUInt64BE(0)
}

/**
 * Lengths of key and message, number of the segment (see `stampRecord`), key, then the message itself: in its own buffer, where
 * there is room in front of it.
 */
export function encodeMessage(message: OutgoingMessage): Buffer {
  const { key, bytes } = message
  const keyLength = Buffer.byteLength(key)
  const headLength = messageHeadBytes + keyLength
  const record = recordAround(message, headLength)
  record.writeUInt32BE(keyLength, 0)
  record.writeUInt32BE(bytes.length, 4)
  stampRecord(record, 0)
  record.write(key, messageHeadBytes, 'utf8')
  if (record.buffer !== bytes.buffer) record.set(bytes, headLength)
  return record
}

/**
 * Ties a record to the segment that it is written to. Files are used again: what the segment before has left in one is well
 * formed, and must not be taken for messages where the disk has lost what was written over it.
 */
export function stampRecord(record: Buffer, segment: number): void {
  record.writeUInt32BE(stampOf(segment), 8)
}

// Of larger numbers the low 32 bits: they only have to differ from one use of a file to the next.
function stampOf(segment: number): number {
  return segment >>> 0
}

const messageHeadBytes = 12

function recordAround({ bytes, hasHeadroom }: OutgoingMessage, headLength: number): Buffer {
  const length = headLength + bytes.length
  if (!hasHeadroom || headLength > headroomBytes) return Buffer.allocUnsafeSlow(length)
  return Buffer.from(bytes.buffer, bytes.byteOffset - headLength, length)
}

/** The messages of a run; fewer than its `count` where its bytes are not what was written. */
export function decodeRunMessages(topic: string, run: Run, bytes: Buffer): IncomingMessage[] {
  const { partition, firstOffset, count, timeMs } = run
  const stamp = stampOf(run.segment)
  const messages: IncomingMessage[] = []
  let at = 0
  while (messages.length < count && at + messageHeadBytes <= bytes.length) {
    if (bytes.readUInt32BE(at + 8) !== stamp) break
    const keyStart = at + messageHeadBytes
    const start = keyStart + bytes.readUInt32BE(at)
    const end = start + bytes.readUInt32BE(at + 4)
    if (end > bytes.length) break
    messages.push({
      topic,
      partition,
      offset: firstOffset + BigInt(messages.length),
      timeMs,
      key: bytes.toString('utf8', keyStart, start),
      bytes: bytes.subarray(start, end),
    })
    at = end
  }
  return messages
}

/** What a run takes on disk: its bytes, and its two records. */
export function storedBytesOf({ bytes }: Pick<Run, 'bytes'>): number {
  const recordBytes = 128
  return bytes + recordBytes
}

export function encodeLog(log: LogRecord): Buffer {
  return doubles(log.nextRun, log.nextTopicId, log.nextSegment, log.removedSegments, log.storedBytes, log.lastTimeMs)
}

export function decodeLog(bytes: Buffer): LogRecord {
  return {
    nextRun: bytes.readDoubleBE(0),
    nextTopicId: bytes.readDoubleBE(8),
    nextSegment: bytes.readDoubleBE(16),
    removedSegments: bytes.readDoubleBE(24),
    storedBytes: bytes.readDoubleBE(32),
    lastTimeMs: bytes.readDoubleBE(40),
  }
}

export function encodeRun({ topicId, partition, firstOffset, count, timeMs, segment, position, bytes }: Run): Buffer {
  const record = Buffer.allocUnsafe(46)
  record.writeUInt32BE(topicId, 0)
  record.writeUInt16BE(partition, 4)
  record.writeBigUInt64BE(firstOffset, 6)
  record.writeUInt32BE(count, 14)
  record.writeDoubleBE(timeMs, 18)
  record.writeDoubleBE(segment, 26)
  record.writeDoubleBE(position, 34)
  record.writeUInt32BE(bytes, 42)
  return record
}

export function decodeRun(record: Buffer): Run {
  return {
    topicId: record.readUInt32BE(0),
    partition: record.readUInt16BE(4),
    firstOffset: record.readBigUInt64BE(6),
    count: record.readUInt32BE(14),
    timeMs: record.readDoubleBE(18),
    segment: record.readDoubleBE(26),
    position: record.readDoubleBE(34),
    bytes: record.readUInt32BE(42),
  }
}

export function encodeSegment({ liveBytes, isSealed, touchedMs }: SegmentRecord): Buffer {
  return doubles(liveBytes, isSealed ? 1 : 0, touchedMs)
}

export function decodeSegment(bytes: Buffer): SegmentRecord {
  return {
    liveBytes: bytes.readDoubleBE(0),
    isSealed: bytes.readDoubleBE(8) === 1,
    touchedMs: bytes.readDoubleBE(16),
  }
}

export function encodePlace({ position, owner }: PlaceRecord): Buffer {
  return Buffer.concat([uint64(position), Buffer.from(owner)])
}

export function decodePlace(bytes: Buffer): PlaceRecord {
  return { position: bytes.readBigUInt64BE(0), owner: bytes.toString('utf8', 8) }
}

/**
 * The partition of a key: FNV-1a over its UTF-16 units. Part of the format: messages of one key stay in order only as
 * long as every program puts them into the same partition.
 */
export function partitionOfKey(key: string, partitions: number): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  return (hash >>> 0) % partitions
}

function uint64(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64BE(value, 0)
  return bytes
}

function doubles(...values: number[]): Buffer {
  const bytes = Buffer.allocUnsafe(8 * values.length)
  for (const [at, value] of values.entries()) bytes.writeDoubleBE(value, 8 * at)
  return bytes
}
