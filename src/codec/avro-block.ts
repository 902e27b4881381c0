import { deflateRawSync } from 'node:zlib'
import type { MetricList, Tag } from '../model/metric-list.js'
import type { OcfCodec } from './avro-header.js'
import { longSize, writeLong } from './varint.js'

/** A list's tags are often those of the list before, or of a block ago: their encoding is made once an array. */
const encodedTags = new WeakMap<readonly Tag[], Uint8Array>()

/** Topics are few (framework ids), and endless only where a sender makes them up. */
const encodedTopics = new Map<string, Uint8Array>()
const rememberedTopics = 4096

/**
 * One block of a container file: how many lists, their size, the lists, the sync marker. The datapoints are copied as
 * they are; their array says its size in bytes (Avro's negative count), so that a reader can step over it.
 *
 * @param syncMarker the one of the header before it
 */
export function encodeOcfBlock(lists: readonly MetricList[], syncMarker: Uint8Array, codec: OcfCodec = 'null'): Buffer {
  const topics: Uint8Array[] = new Array(lists.length)
  const tags: Uint8Array[] = new Array(lists.length)
  let size = 0
  for (let at = 0; at < lists.length; at++) {
    const list = lists[at]!
    const topic = encodeTopic(list.topic)
    const section = encodeTags(list.tags)
    topics[at] = topic
    tags[at] = section
    size += topic.length + section.length + datapointsSize(list)
  }
  if (codec === 'deflate') return deflateBlock(lists, topics, tags, size, syncMarker)
  const headSize = longSize(lists.length) + longSize(size)
  const block = Buffer.allocUnsafe(headSize + size + syncMarker.length)
  const start = writeLong(block, writeLong(block, 0, lists.length), size)
  block.set(syncMarker, writeLists(block, start, lists, topics, tags))
  return block
}

function deflateBlock(
  lists: readonly MetricList[],
  topics: readonly Uint8Array[],
  tags: readonly Uint8Array[],
  size: number,
  syncMarker: Uint8Array,
): Buffer {
  const plain = Buffer.allocUnsafe(size)
  writeLists(plain, 0, lists, topics, tags)
  const packed = deflateRawSync(plain)
  const head = Buffer.allocUnsafe(longSize(lists.length) + longSize(packed.length))
  writeLong(head, writeLong(head, 0, lists.length), packed.length)
  return Buffer.concat([head, packed, syncMarker])
}

function writeLists(
  block: Uint8Array,
  pos: number,
  lists: readonly MetricList[],
  topics: readonly Uint8Array[],
  tags: readonly Uint8Array[],
): number {
  for (let at = 0; at < lists.length; at++) {
    pos = copy(topics[at]!, block, pos)
    pos = copy(tags[at]!, block, pos)
    pos = writeDatapoints(lists[at]!, block, pos)
  }
  return pos
}

function datapointsSize({ datapoints: { count, bytes } }: MetricList): number {
  return count === 0 ? 1 : longSize(-count) + longSize(bytes.length) + bytes.length + 1
}

function writeDatapoints({ datapoints: { count, bytes } }: MetricList, block: Uint8Array, pos: number): number {
  if (count > 0) {
    pos = writeLong(block, pos, -count)
    pos = writeLong(block, pos, bytes.length)
    pos = copy(bytes, block, pos)
  }
  block[pos] = 0
  return pos + 1
}

function copy(from: Uint8Array, to: Uint8Array, pos: number): number {
  to.set(from, pos)
  return pos + from.length
}

function encodeTopic(topic: string): Uint8Array {
  const known = encodedTopics.get(topic)
  if (known !== undefined) return known
  if (encodedTopics.size >= rememberedTopics) encodedTopics.clear()
  const bytes = encodeStrings([topic])
  encodedTopics.set(topic, bytes)
  return bytes
}

function encodeTags(tags: readonly Tag[]): Uint8Array {
  const known = encodedTags.get(tags)
  if (known !== undefined) return known
  const items = encodeStrings(tags.flatMap(({ key, value }) => [key, value]))
  const bytes = tags.length === 0 ? Buffer.from([0]) : Buffer.concat([longBytes(tags.length), items, longBytes(0)])
  encodedTags.set(tags, bytes)
  return bytes
}

function encodeStrings(texts: readonly string[]): Buffer {
  return Buffer.concat(texts.flatMap((text) => [longBytes(Buffer.byteLength(text)), Buffer.from(text)]))
}

function longBytes(n: number): Buffer {
  const bytes = Buffer.allocUnsafe(longSize(n))
  writeLong(bytes, 0, n)
  return bytes
}
