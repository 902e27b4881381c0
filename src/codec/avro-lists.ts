import type { Datapoints, MetricList, Tag } from '../model/metric-list.js'
import { AvroCursor, malformed } from './avro-cursor.js'
import { skipDatapoint, smallestDatapointBytes } from './datapoints.js'
import { GenerationCache } from './generation-cache.js'
import { readUtf8 } from './utf8.js'

/** Two empty strings. */
const smallestTagBytes = 2

/** Longer heads are read each time and not remembered. */
const longestRememberedHead = 16 * 1024

/**
 * A list's topic and tags as they stand in front of its datapoints. A sender's lists come with the same heads again and
 * again, so a head is decoded once and then recognised by its bytes.
 */
interface Head {
  readonly bytes: Uint8Array
  readonly topic: string
  readonly tags: readonly Tag[]
  /** The head that came behind this one the last time: the first guess for the next time. */
  next: Head | undefined
}

/**
 * Shared by all readers of the process: what is remembered changes nothing but how often the same object is handed out, and
 * a thousand connections together stay within the bounds.
 */
const heads = new GenerationCache<number, Head>({
  limit: 16 * 1024 * 1024,
  weightOf: ({ bytes }) => bytes.length + 128,
  // Without this, one remembered head could keep alive an endless chain of forgotten ones.
  forget(head) {
    head.next = undefined
  },
})

const tagSections = new GenerationCache<string, readonly Tag[]>({ limit: 65_536, weightOf: () => 1 })

const noDatapoints: Datapoints = { count: 0, bytes: new Uint8Array(0) }

/** Reads lists of one sender out of their Avro encoding, guessing each head from the one before. */
export class ListReader {
  #last: Head | undefined

  /**
   * Reads one list at the cursor and moves behind it. Its datapoints are a view of the cursor's bytes: nothing is copied,
   * unless the array came in several blocks.
   *
   * @throws StatsError `DS_AVRO_MALFORMED`
   */
  read(cursor: AvroCursor): MetricList {
    const { topic, tags } = this.#readHead(cursor)
    return { topic, tags, datapoints: readDatapoints(cursor) }
  }

  #readHead(cursor: AvroCursor): Head {
    const guess = this.#last?.next
    if (guess !== undefined && isAt(guess.bytes, cursor.bytes, cursor.pos, cursor.end)) {
      cursor.pos += guess.bytes.length
      this.#last = guess
      return guess
    }
    const head = findHead(cursor)
    if (this.#last !== undefined) this.#last.next = head
    this.#last = head.bytes.length > longestRememberedHead ? undefined : head
    return head
  }
}

function findHead(cursor: AvroCursor): Head {
  const start = cursor.pos
  cursor.skipString()
  const tagsStart = cursor.pos
  skipTags(cursor)
  const hash = hashOf(cursor.bytes, start, cursor.pos)
  const known = heads.get(hash)
  if (known !== undefined && isAt(known.bytes, cursor.bytes, start, cursor.pos)) return known
  const head = newHead(cursor.bytes, start, tagsStart, cursor.pos)
  if (head.bytes.length <= longestRememberedHead) heads.set(hash, head)
  return head
}

function newHead(bytes: Uint8Array, start: number, tagsStart: number, end: number): Head {
  const own = bytes.slice(start, end)
  const topic = new AvroCursor(own, 0, tagsStart - start)
  return { bytes: own, topic: readString(topic), tags: internTags(own.subarray(tagsStart - start)), next: undefined }
}

/** The same bytes give the same array, whatever the topic. */
function internTags(section: Uint8Array): readonly Tag[] {
  if (section.length > longestRememberedHead) return readTags(section)
  const key = Buffer.from(section.buffer, section.byteOffset, section.length).toString('latin1')
  const known = tagSections.get(key)
  if (known !== undefined) return known
  const tags = readTags(section)
  tagSections.set(key, tags)
  return tags
}

function readTags(section: Uint8Array): readonly Tag[] {
  const cursor = new AvroCursor(section)
  const tags: Tag[] = []
  for (let count = cursor.readLong(); count !== 0; count = cursor.readLong()) {
    if (count < 0) cursor.skipLong()
    for (let left = Math.abs(count); left > 0; left--) {
      tags.push(Object.freeze({ key: readString(cursor), value: readString(cursor) }))
    }
  }
  return Object.freeze(tags)
}

function readString(cursor: AvroCursor): string {
  const length = cursor.readLength()
  const start = cursor.pos
  cursor.pos += length
  return readUtf8(cursor.bytes, start, cursor.pos)
}

function skipTags(cursor: AvroCursor): void {
  for (let count = cursor.readLong(); count !== 0; count = cursor.readLong()) {
    const size = count < 0 ? cursor.readLength() : undefined
    const start = cursor.pos
    const tagCount = checkedCount(count, size ?? cursor.end - start, smallestTagBytes)
    for (let left = tagCount * 2; left > 0; left--) cursor.skipString()
    if (size !== undefined && cursor.pos !== start + size) malformed('holds tags of another size than they say')
  }
}

/**
 * Steps over the datapoints. A block that says its size is not looked into: its count is believed where so many datapoints
 * can fit into that size. Should it lie within these bounds, who reads the datapoints finds fewer than `count` and
 * counts the rest as undecodable (see `forEachDatapoint`).
 */
function readDatapoints(cursor: AvroCursor): Datapoints {
  const first = cursor.readLong()
  if (first === 0) return noDatapoints
  const block = readArrayBlock(cursor, first)
  const next = cursor.readLong()
  return next === 0 ? block : joinBlocks(cursor, block, next)
}

function readArrayBlock(cursor: AvroCursor, count: number): Datapoints {
  const { bytes } = cursor
  if (count < 0) {
    const size = cursor.readLength()
    const start = cursor.pos
    cursor.pos = start + size
    return { count: checkedCount(count, size, smallestDatapointBytes), bytes: bytes.subarray(start, cursor.pos) }
  }
  const start = cursor.pos
  checkedCount(count, cursor.end - start, smallestDatapointBytes)
  for (let left = count; left > 0; left--) skipDatapoint(cursor)
  return { count, bytes: bytes.subarray(start, cursor.pos) }
}

function joinBlocks(cursor: AvroCursor, first: Datapoints, secondCount: number): Datapoints {
  const blocks = [first]
  for (let count = secondCount; count !== 0; count = cursor.readLong()) blocks.push(readArrayBlock(cursor, count))
  return {
    count: blocks.reduce((sum, block) => sum + block.count, 0),
    bytes: Buffer.concat(blocks.map(({ bytes }) => bytes)),
  }
}

function checkedCount(count: number, size: number, smallestItemBytes: number): number {
  const itemCount = Math.abs(count)
  if (itemCount * smallestItemBytes > size) malformed('holds an array that says it has more items than fit into it')
  return itemCount
}

function isAt(known: Uint8Array, bytes: Uint8Array, pos: number, end: number): boolean {
  const { length } = known
  if (length > end - pos) return false
  for (let at = 0; at < length; at++) if (known[at] !== bytes[pos + at]) return false
  return true
}

function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start
  for (let pos = start; pos < end; pos++) hash = (Math.imul(hash, 0x01000193) ^ bytes[pos]!) | 0
  return hash
}
