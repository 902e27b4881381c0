import { ContainerFileBuilder, type ListHead } from '../codec/avro-file-builder.js'
import { decodeDatapoints, encodeDatapoints } from '../codec/datapoints.js'
import type { MetricList } from '../model/metric-list.js'

/** The list in pieces of at most `limitBytes`, as far as it can be cut: between two datapoints. */
export function cutList(list: MetricList, head: ListHead, limitBytes: number): MetricList[] {
  if (ContainerFileBuilder.sizeOf(head, list.datapoints) <= limitBytes) return [list]
  const halves = halveList(list)
  return halves.length === 0 ? [list] : halves.flatMap((half) => cutList(half, head, limitBytes))
}

/** Two halves with the same datapoints; none where there is but one datapoint. */
export function halveLists(lists: readonly MetricList[]): (readonly MetricList[])[] {
  const [only] = lists
  if (lists.length > 1) {
    const middle = Math.ceil(lists.length / 2)
    return [lists.slice(0, middle), lists.slice(middle)]
  }
  return only === undefined ? [] : halveList(only).map((list) => [list])
}

function halveList(list: MetricList): MetricList[] {
  if (list.datapoints.count < 2) return []
  const points = decodeDatapoints(list.datapoints)
  // Bytes that hold less than they say are passed on as they are: who reads them counts what is missing.
  if (points.length < list.datapoints.count) return []
  const middle = Math.ceil(points.length / 2)
  return [points.slice(0, middle), points.slice(middle)].map((half) => ({
    ...list,
    datapoints: encodeDatapoints(half),
  }))
}
