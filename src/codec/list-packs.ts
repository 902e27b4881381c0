import { ListPack } from '../model/list-pack.js'
import type { MetricList } from '../model/metric-list.js'
import { AvroCursor } from './avro-cursor.js'
import { ListReader } from './avro-lists.js'

/** The same lists, and in place of each pack those that are in it. Their datapoints lie where the pack has them. */
export function unpackLists(lists: readonly MetricList[]): readonly MetricList[] {
  if (!lists.some(isPack)) return lists
  return lists.flatMap((list) => (isPack(list) ? readPack(list) : [list]))
}

function isPack(list: MetricList): list is ListPack {
  return list instanceof ListPack
}

function readPack({ datapoints }: ListPack): MetricList[] {
  const cursor = new AvroCursor(datapoints.bytes, 0, datapoints.byteLength)
  const reader = new ListReader()
  return Array.from({ length: datapoints.lists }, () => reader.read(cursor))
}
