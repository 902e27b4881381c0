import { deflateRawSync } from 'node:zlib'
import type { MetricList, Tag } from '../model/metric-list.js'
import type { OcfCodec } from './avro-header.js'
import { longSize, writeLong } from './varint.js'

interface EncodedHead {
  readonly topic: string
  /** Topic and tags, as they stand in front of the datapoints. */
  readonly bytes: Uint8Array
}

/** Lists come with the same tags again and again, and the same tags nearly always with the same topic. */
const encodedHeads = new WeakMap<readonly Tag[], EncodedHead>()

const nothing = new Uint8Array(0)

/**
 * One block of a container file: how many lists, their size, the lists, the sync marker. The datapoints are copied as
 * they are; their array says its size in bytes (Avro's negative count), so that a reader can step over it.
 *
 * @param syncMarker the one of the header before it
 * @param front bytes to put in front of it, such as that header: putting them together afterwards would copy all of it again
 */
export function encodeOcfBlock(
  lists: readonly MetricList[],
  syncMarker: Uint8Array,
  codec: OcfCodec = 'null',
  front: Uint8Array = nothing,
): Buffer {
  const heads: Uint8Array[] = new Array(lists.length)
  let size = 0
  for (let at = 0; at < lists.length; at++) {
    const list = lists[at]!
    const head = encodeHead(list)
    heads[at] = head
    size += head.length + datapointsSize(list)
  }
  if (codec === 'deflate') return deflateBlock(front, lists, heads, size, syncMarker)
  const headBytes = front.length + longSize(lists.length) + longSize(size)
  const block = Buffer.allocUnsafe(headBytes + size + syncMarker.length)
  const start = writeLong(block, writeLong(block, copy(front, block, 0), lists.length), size)
  block.set(syncMarker, writeLists(block, start, lists, heads))
  return block
}

function deflateBlock(
  front: Uint8Array,
  lists: readonly MetricList[],
  heads: readonly Uint8Array[],
  size: number,
  syncMarker: Uint8Array,
): Buffer {
  const plain = Buffer.allocUnsafe(size)
  writeLists(plain, 0, lists, heads)
  const packed = deflateRawSync(plain)
  return Buffer.concat([front, longBytes(lists.length), longBytes(packed.length), packed, syncMarker])
}

function writeLists(
  block: Uint8Array,
  pos: number,
  lists: readonly MetricList[],
  heads: readonly Uint8Array[],
): number {
  for (let at = 0; at < lists.length; at++) {
    pos = copy(heads[at]!, block, pos)
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

function encodeHead({ topic, tags }: MetricList): Uint8Array {
  const known = encodedHeads.get(tags)
  if (known !== undefined && known.topic === topic) return known.bytes
  const tagBytes = encodeStrings(tags.flatMap(({ key, value }) => [key, value]))
  const section = tags.length === 0 ? longBytes(0) : Buffer.concat([longBytes(tags.length), tagBytes, longBytes(0)])
  const bytes = Buffer.concat([encodeStrings([topic]), section])
  encodedHeads.set(tags, { topic, bytes })
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
