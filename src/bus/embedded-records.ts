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
  /** What the messages take on disk, nearly. */
  readonly storedBytes: number
  /** Time of the newest message; messages never go back in time. */
  readonly lastTimeMs: number
}

/** Messages of one append that follow each other in one partition: what retention removes at once, what readers look through. */
export interface Run extends PartitionId {
  readonly firstOffset: bigint
  readonly count: number
  readonly storedBytes: number
  readonly timeMs: number
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

/** @param offset the end of the partition (a key behind every message) unless given */
export function messageKey({ topicId, partition }: PartitionId, offset = 0xffff_ffff_ffff_ffffn): Buffer {
  const key = Buffer.allocUnsafe(14)
  key.writeUInt32BE(topicId, 0)
  key.writeUInt16BE(partition, 4)
  key.writeBigUInt64BE(offset, 6)
  return key
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

/** Time, length of the key, key, then the message itself: in its own buffer, where there is room in front of it. */
export function encodeMessage(message: OutgoingMessage, timeMs: number): Buffer {
  const { key, bytes } = message
  const keyLength = Buffer.byteLength(key)
  const headLength = 12 + keyLength
  const record = recordAround(message, headLength)
  record.writeDoubleBE(timeMs, 0)
  record.writeUInt32BE(keyLength, 8)
  record.write(key, 12, 'utf8')
  if (record.buffer !== bytes.buffer) record.set(bytes, headLength)
  return record
}

function recordAround({ bytes, hasHeadroom }: OutgoingMessage, headLength: number): Buffer {
  const length = headLength + bytes.length
  if (!hasHeadroom || headLength > headroomBytes) return Buffer.allocUnsafeSlow(length)
  return Buffer.from(bytes.buffer, bytes.byteOffset - headLength, length)
}

export function decodeMessage(
  topic: string,
  { partition }: PartitionId,
  offset: bigint,
  record: Buffer,
): IncomingMessage {
  const keyEnd = 12 + record.readUInt32BE(8)
  return {
    topic,
    partition,
    offset,
    timeMs: record.readDoubleBE(0),
    key: record.toString('utf8', 12, keyEnd),
    bytes: record.subarray(keyEnd),
  }
}

export function timeOfMessage(record: Buffer): number {
  return record.readDoubleBE(0)
}

/** What a record takes in LMDB: larger ones have pages of their own, smaller ones share theirs. */
export function storedBytesOf(record: Buffer): number {
  const pageBytes = 4096
  const headBytes = 16
  return record.length > pageBytes / 2
    ? Math.ceil((record.length + headBytes) / pageBytes) * pageBytes
    : record.length + headBytes + 14
}

export function encodeLog({ nextRun, nextTopicId, storedBytes, lastTimeMs }: LogRecord): Buffer {
  const bytes = Buffer.allocUnsafe(32)
  for (const [at, number] of [nextRun, nextTopicId, storedBytes, lastTimeMs].entries()) {
    bytes.writeDoubleBE(number, at * 8)
  }
  return bytes
}

export function decodeLog(bytes: Buffer): LogRecord {
  return {
    nextRun: bytes.readDoubleBE(0),
    nextTopicId: bytes.readDoubleBE(8),
    storedBytes: bytes.readDoubleBE(16),
    lastTimeMs: bytes.readDoubleBE(24),
  }
}

export function encodeRun({ topicId, partition, firstOffset, count, storedBytes, timeMs }: Run): Buffer {
  const bytes = Buffer.allocUnsafe(34)
  bytes.writeUInt32BE(topicId, 0)
  bytes.writeUInt16BE(partition, 4)
  bytes.writeBigUInt64BE(firstOffset, 6)
  bytes.writeUInt32BE(count, 14)
  bytes.writeDoubleBE(storedBytes, 18)
  bytes.writeDoubleBE(timeMs, 26)
  return bytes
}

export function decodeRun(bytes: Buffer): Run {
  return {
    topicId: bytes.readUInt32BE(0),
    partition: bytes.readUInt16BE(4),
    firstOffset: bytes.readBigUInt64BE(6),
    count: bytes.readUInt32BE(14),
    storedBytes: bytes.readDoubleBE(18),
    timeMs: bytes.readDoubleBE(26),
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
