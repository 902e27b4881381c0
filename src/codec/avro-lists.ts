import { DatapointsView } from '../model/datapoints-view.js'
import type { Datapoints, MetricList } from '../model/metric-list.js'
import { type AvroCursor, malformed } from './avro-cursor.js'
import { findHead, type Head, isHeadAt, isRemembered } from './avro-heads.js'
import { skipDatapoint, smallestDatapointBytes } from './datapoints.js'
import type { ListJoiner } from './list-joiner.js'
import type { Scratch } from './scratch.js'

/** Two empty strings. */
const smallestTagBytes = 2

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

  /** As `read`; the list is put behind `lists`, unless `joiner` takes it. */
  readInto(cursor: AvroCursor, lists: MetricList[], joiner: ListJoiner): void {
    joiner.take(this.#readHead(cursor), readDatapoints(cursor), lists)
  }

  /**
   * As `readInto`, where the cursor's bytes lie in `scratch`.
   *
   * @returns false, and nothing is read, where its datapoints come in several blocks
   * @throws StatsError `DS_AVRO_MALFORMED`
   */
  readFromScratch(cursor: AvroCursor, lists: MetricList[], joiner: ListJoiner, scratch: Scratch): boolean {
    const listStart = cursor.pos
    const head = this.#readHead(cursor, scratch)
    const count = cursor.readLong()
    const size = count < 0 ? cursor.readLength() : undefined
    const start = cursor.pos
    const itemCount = skipItems(cursor, count, size)
    const byteLength = cursor.pos - start
    if (count !== 0 && cursor.readLong() !== 0) {
      cursor.pos = listStart
      return false
    }
    joiner.takeFromScratch(head, itemCount, cursor.byteOffset + start, byteLength, lists)
    return true
  }

  #readHead(cursor: AvroCursor, scratch?: Scratch): Head {
    const guess = this.#last?.next
    if (guess === undefined || !isHeadAt(guess, cursor, scratch)) return this.#lookUpHead(cursor)
    cursor.pos += guess.length
    this.#last = guess
    return guess
  }

  #lookUpHead(cursor: AvroCursor): Head {
    const start = cursor.pos
    cursor.skipString()
    const tagsStart = cursor.pos
    skipTags(cursor)
    const head = findHead(cursor, start, tagsStart)
    const next = isRemembered(head) ? head : undefined
    if (this.#last !== undefined) this.#last.next = next
    this.#last = next
    return head
  }
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
  const size = count < 0 ? cursor.readLength() : undefined
  const start = cursor.pos
  const itemCount = skipItems(cursor, count, size)
  return new DatapointsView(itemCount, cursor.buffer, cursor.byteOffset + start, cursor.pos - start)
}

/** @returns how many there are */
function skipItems(cursor: AvroCursor, count: number, size: number | undefined): number {
  const itemCount = checkedCount(count, size ?? cursor.end - cursor.pos, smallestDatapointBytes)
  if (size !== undefined) cursor.pos += size
  else for (let left = itemCount; left > 0; left--) skipDatapoint(cursor)
  return itemCount
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
