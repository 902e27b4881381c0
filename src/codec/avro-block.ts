import { randomBytes } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import { byteLengthOf, DatapointsView } from '../model/datapoints-view.js'
import { ListPack } from '../model/list-pack.js'
import type { Datapoints, MetricList, Tag } from '../model/metric-list.js'
import { type OcfCodec, ocfHeaderLength, syncMarkerBytes, writeOcfHeader } from './avro-header.js'
import { ByteCopier } from './byte-copier.js'
import { longSize, writeLong } from './varint.js'

interface EncodedHead {
  readonly topic: string
  /** Topic and tags, as they stand in front of the datapoints. */
  readonly bytes: Uint8Array
}

/** Lists come with the same tags again and again, and the same tags nearly always with the same topic. */
const encodedHeads = new WeakMap<readonly Tag[], EncodedHead>()

/** What a block has beside its lists. */
export interface BlockLayout {
  /** The file's header stands in front of it. Putting the two together afterwards would copy all of it again. */
  readonly withHeader?: boolean
  /** So many bytes in front of all are left as they are, for who wants to write something there. */
  readonly headroom?: number
  /** The `encodeHead` of each list, where it is known already. */
  readonly heads?: readonly Uint8Array[]
  /** Where it is written to; new memory unless given. */
  readonly take?: (bytes: number) => Buffer
}

/**
 * One block of a container file: how many lists, their size, the lists, the sync marker. The datapoints are copied as
 * they are; their array says its size in bytes (Avro's negative count), so that a reader can step over it.
 *
 * @param syncMarker the one of the header before it
 */
export function encodeOcfBlock(
  lists: readonly MetricList[],
  syncMarker: Uint8Array,
  codec: OcfCodec = 'null',
  { withHeader = false, headroom = 0, heads, take = Buffer.allocUnsafe }: BlockLayout = {},
): Buffer {
  let count = 0
  let size = 0
  for (let at = 0; at < lists.length; at++) {
    const list = lists[at]!
    count += list instanceof ListPack ? list.datapoints.lists : 1
    size += listSize(list, heads?.[at])
  }
  const packed = codec === 'deflate' ? deflateLists(lists, heads, size) : undefined
  const bodySize = packed?.length ?? size
  const start = headroom + (withHeader ? ocfHeaderLength(codec) : 0)
  const block = take(start + longSize(count) + longSize(bodySize) + bodySize + syncMarker.length)
  if (withHeader) writeOcfHeader(block, headroom, syncMarker, codec)
  const body = writeLong(block, writeLong(block, start, count), bodySize)
  const end = packed === undefined ? writeLists(block, body, lists, heads) : copy(packed, block, body)
  block.set(syncMarker, end)
  return block
}

type Heads = readonly Uint8Array[] | undefined

function deflateLists(lists: readonly MetricList[], heads: Heads, size: number): Buffer {
  const plain = Buffer.allocUnsafe(size)
  writeLists(plain, 0, lists, heads)
  return deflateRawSync(plain)
}

function writeLists(block: Uint8Array, pos: number, lists: readonly MetricList[], heads: Heads): number {
  const copier = new ByteCopier(block)
  for (let at = 0; at < lists.length; at++) {
    const list = lists[at]!
    if (list instanceof ListPack) pos = copyView(list.datapoints, copier, pos)
    else pos = writeDatapoints(list.datapoints, block, copy(heads?.[at] ?? encodeHead(list), block, pos), copier)
  }
  return pos
}

function listSize(list: MetricList, head: Uint8Array | undefined): number {
  if (list instanceof ListPack) return list.datapoints.byteLength
  return (head ?? encodeHead(list)).length + datapointsSize(list)
}

function copyView({ around, byteOffset, byteLength }: DatapointsView, copier: ByteCopier, pos: number): number {
  copier.copy(around, byteOffset, byteLength, pos)
  return pos + byteLength
}

function datapointsSize({ datapoints }: MetricList): number {
  if (datapoints.count === 0) return 1
  const length = byteLengthOf(datapoints)
  return longSize(-datapoints.count) + longSize(length) + length + 1
}

/** The array of `datapoints`, with its end; what was read is copied by `copier`, which is for the same `block`. */
export function writeDatapoints(datapoints: Datapoints, block: Uint8Array, pos: number, copier: ByteCopier): number {
  if (datapoints.count > 0) {
    const length = byteLengthOf(datapoints)
    pos = writeLong(block, writeLong(block, pos, -datapoints.count), length)
    if (datapoints instanceof DatapointsView) copyView(datapoints, copier, pos)
    else block.set(datapoints.bytes, pos)
    pos += length
  }
  block[pos] = 0
  return pos + 1
}

function copy(from: Uint8Array, to: Uint8Array, pos: number): number {
  to.set(from, pos)
  return pos + from.length
}

/** A list's topic and tags, as they stand in front of its datapoints; remembered for the array of tags. */
export function encodeHead({ topic, tags }: Pick<MetricList, 'topic' | 'tags'>): Uint8Array {
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

let markers = Buffer.alloc(0)
let markersUsed = 0

/** Drawn for many files at once: sixteen random bytes alone cost as much as encoding twenty lists. */
export function newSyncMarker(): Uint8Array {
  if (markersUsed === markers.length) {
    markers = randomBytes(256 * syncMarkerBytes)
    markersUsed = 0
  }
  markersUsed += syncMarkerBytes
  return markers.subarray(markersUsed - syncMarkerBytes, markersUsed)
}
