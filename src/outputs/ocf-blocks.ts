import { encodeOcfBlock } from '../codec/avro-ocf.js'
import { unpackLists } from '../codec/list-packs.js'
import { countDatapoints, type MetricList } from '../model/metric-list.js'
import { StatsError } from '../platform/errors.js'
import type { Drop } from './sink.js'

/** A room that was larger than this for once is not kept. */
const keptRoomBytes = 8 * 1024 * 1024

/** Bytes to write blocks into, used again for the next ones: megabytes of new ones for each write kept the collector of garbage busy. */
export interface BlockRoom {
  readonly take: (bytes: number) => Buffer
  /** What was taken is not needed any more. */
  empty(): void
}

export function createBlockRoom(): BlockRoom {
  let bytes = Buffer.alloc(0)
  let used = 0
  return {
    take(length) {
      if (used + length > bytes.length) {
        bytes = Buffer.allocUnsafeSlow(Math.max(length, 2 * bytes.length))
        used = 0
      }
      used += length
      return bytes.subarray(used - length, used)
    },
    empty() {
      used = 0
      if (bytes.length > keptRoomBytes) bytes = Buffer.alloc(0)
    },
  }
}

/**
 * Blocks that a reader takes: lists that are too many for one are halved, a list that alone is too large is dropped.
 *
 * @param limitBytes what a block may have, with its head and its marker
 * @param take where blocks are written to; new memory unless given
 */
export function encodeBlocks(
  lists: readonly MetricList[],
  syncMarker: Uint8Array,
  limitBytes: number,
  take?: BlockRoom['take'],
): { blocks: Buffer[]; drops: Drop[] } {
  if (lists.length === 0) return { blocks: [], drops: [] }
  const block = encodeOcfBlock(lists, syncMarker, 'null', take && { take })
  if (block.length <= limitBytes) return { blocks: [block], drops: [] }
  const each = unpackLists(lists)
  if (each.length === 1) {
    const cause = new StatsError('DS_BLOCK_TOO_LARGE', `A list takes ${block.length} bytes, more than ${limitBytes}`)
    return { blocks: [], drops: [{ datapoints: countDatapoints(lists), reason: 'too_large', cause }] }
  }
  const middle = each.length >> 1
  const first = encodeBlocks(each.slice(0, middle), syncMarker, limitBytes, take)
  const second = encodeBlocks(each.slice(middle), syncMarker, limitBytes, take)
  return { blocks: [...first.blocks, ...second.blocks], drops: [...first.drops, ...second.drops] }
}
