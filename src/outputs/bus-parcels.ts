import { decodeDatapoints, encodeDatapoints } from '../codec/datapoints.js'
import { createTagsCache } from '../codec/unique-tags.js'
import type { MetricList } from '../model/metric-list.js'

/** Lists that travel in one message. */
export interface Parcel {
  readonly key: string
  readonly lists: readonly MetricList[]
}

/** Schema, marker and counts of a container file, rounded up. */
const fileBytes = 1024

/** Slices that, as container files, are not larger than `limitBytes` by estimate; a list that is larger alone is cut as well. */
export function sliceLists(lists: readonly MetricList[], limitBytes: number): (readonly MetricList[])[] {
  const all = lists.reduce((sum, list) => sum + sizeOf(list), fileBytes)
  if (all <= limitBytes) return [lists]
  const slices: MetricList[][] = []
  let slice: MetricList[] = []
  let bytes = fileBytes
  for (const list of lists.flatMap((one) => cutList(one, limitBytes - fileBytes))) {
    const size = sizeOf(list)
    if (slice.length > 0 && bytes + size > limitBytes) {
      slices.push(slice)
      slice = []
      bytes = fileBytes
    }
    slice.push(list)
    bytes += size
  }
  if (slice.length > 0) slices.push(slice)
  return slices
}

/** Two smaller parcels with the same datapoints; none where there is but one datapoint. */
export function halveParcel({ key, lists }: Parcel): Parcel[] {
  const [only] = lists
  if (lists.length > 1) {
    const middle = Math.ceil(lists.length / 2)
    return [
      { key, lists: lists.slice(0, middle) },
      { key, lists: lists.slice(middle) },
    ]
  }
  return only === undefined ? [] : halveList(only).map((list) => ({ key, lists: [list] }))
}

function cutList(list: MetricList, limitBytes: number): MetricList[] {
  if (sizeOf(list) <= limitBytes) return [list]
  const halves = halveList(list)
  return halves.length === 0 ? [list] : halves.flatMap((half) => cutList(half, limitBytes))
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

function sizeOf({ topic, tags, datapoints }: MetricList): number {
  return datapoints.bytes.length + Buffer.byteLength(topic) + tagBytes(tags) + 24
}

/** Remembered: measuring the tags of every list anew takes a twelfth of the time that the bus takes. */
const tagBytes = createTagsCache((tags) =>
  tags.reduce((sum, { key, value }) => sum + Buffer.byteLength(key) + Buffer.byteLength(value) + 6, 0),
)
