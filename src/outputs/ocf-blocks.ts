import { encodeOcfBlock } from '../codec/avro-ocf.js'
import { countDatapoints, type MetricList } from '../model/metric-list.js'
import { StatsError } from '../platform/errors.js'
import type { Drop } from './sink.js'

/**
 * Blocks that a reader takes: lists that are too many for one are halved, a list that alone is too large is dropped.
 *
 * @param limitBytes what a block may have, with its head and its marker
 */
export function encodeBlocks(
  lists: readonly MetricList[],
  syncMarker: Uint8Array,
  limitBytes: number,
): { blocks: Buffer[]; drops: Drop[] } {
  if (lists.length === 0) return { blocks: [], drops: [] }
  const block = encodeOcfBlock(lists, syncMarker)
  if (block.length <= limitBytes) return { blocks: [block], drops: [] }
  if (lists.length === 1) {
    const cause = new StatsError('DS_BLOCK_TOO_LARGE', `A list takes ${block.length} bytes, more than ${limitBytes}`)
    return { blocks: [], drops: [{ datapoints: countDatapoints(lists), reason: 'too_large', cause }] }
  }
  const middle = lists.length >> 1
  const first = encodeBlocks(lists.slice(0, middle), syncMarker, limitBytes)
  const second = encodeBlocks(lists.slice(middle), syncMarker, limitBytes)
  return { blocks: [...first.blocks, ...second.blocks], drops: [...first.drops, ...second.drops] }
}
