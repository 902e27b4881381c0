import { encodeHead } from '../codec/avro-ocf.js'
import { decodeDatapoints, encodeDatapoints } from '../codec/datapoints.js'
import { type MetricList, type Tag, tagValue } from '../model/metric-list.js'

/** Lists that travel in one message. */
export interface Parcel {
  readonly key: string
  readonly lists: readonly MetricList[]
  /** The `encodeHead` of each list, where it is known already. */
  readonly heads?: readonly Uint8Array[]
}

/** Where lists with the same topic and tags go. */
interface Route {
  readonly listTopic: string
  /** The topic of the bus. */
  readonly topic: string
  readonly key: string
  readonly head: Uint8Array
  /** The turn in which `parcelAt` was found. */
  turn: number
  /** The parcel of that turn. Its number, not the parcel: it would keep the lists of a topic that falls silent. */
  parcelAt: number
}

interface OpenParcel extends Parcel {
  readonly topic: string
  readonly lists: MetricList[]
  readonly heads: Uint8Array[]
  bytes: number
}

/** Schema, marker and counts of a container file, rounded up. */
const fileBytes = 1024
/** Counts and sizes of a list, at most. */
const listBytes = 24

/**
 * Sorts lists into parcels: those of one topic and key travel together, up to about `limitBytes`.
 *
 * Lists with the same tags share one array of them (see MetricList), so nearly always one look tells all of a list: where it
 * goes, and how its head is encoded.
 */
export class ParcelSorter {
  readonly #topicOf: (list: Pick<MetricList, 'topic'>) => string
  readonly #limitBytes: number
  readonly #routes = new WeakMap<readonly Tag[], Route>()
  #turn = 0

  constructor(topicOf: (list: Pick<MetricList, 'topic'>) => string, limitBytes: number) {
    this.#topicOf = topicOf
    this.#limitBytes = limitBytes
  }

  /** @returns parcels by topic; lists without datapoints are left out */
  sort(lists: readonly MetricList[]): Map<string, Parcel[]> {
    this.#turn++
    const parcels: OpenParcel[] = []
    const numbers = new Map<string, number>()
    for (const list of lists) {
      if (list.datapoints.count === 0) continue
      const route = this.#routeOf(list)
      if (route.turn !== this.#turn) this.#assign(route, parcels, numbers)
      const parcel = parcels[route.parcelAt]!
      parcel.lists.push(list)
      parcel.heads.push(route.head)
      parcel.bytes += route.head.length + list.datapoints.bytes.length + listBytes
    }
    const byTopic = new Map<string, Parcel[]>()
    for (const parcel of parcels) {
      const fitting = parcel.bytes <= this.#limitBytes ? [parcel] : sliceParcel(parcel, this.#limitBytes)
      byTopic.set(parcel.topic, [...(byTopic.get(parcel.topic) ?? []), ...fitting])
    }
    return byTopic
  }

  #routeOf(list: MetricList): Route {
    const known = this.#routes.get(list.tags)
    if (known !== undefined && known.listTopic === list.topic) return known
    const { topic: listTopic, tags } = list
    const key = tagValue(tags, 'container_id') ?? tagValue(tags, 'agent_id') ?? ''
    const route = { listTopic, topic: this.#topicOf(list), key, head: encodeHead(list), turn: 0, parcelAt: 0 }
    this.#routes.set(tags, route)
    return route
  }

  #assign(route: Route, parcels: OpenParcel[], numbers: Map<string, number>): void {
    const { topic, key } = route
    // A topic of the bus has no blank.
    const name = `${topic} ${key}`
    const at = numbers.get(name) ?? parcels.push({ topic, key, lists: [], heads: [], bytes: fileBytes }) - 1
    numbers.set(name, at)
    route.turn = this.#turn
    route.parcelAt = at
  }
}

/** Parcels that, as container files, are not larger than `limitBytes` by estimate; a list that is larger alone is cut as well. */
function sliceParcel({ key, lists }: Parcel, limitBytes: number): Parcel[] {
  const slices: MetricList[][] = []
  let slice: MetricList[] = []
  let bytes = fileBytes
  for (const one of lists) {
    for (const list of cutList(one, limitBytes - fileBytes)) {
      const size = sizeOf(list)
      if (slice.length > 0 && bytes + size > limitBytes) {
        slices.push(slice)
        slice = []
        bytes = fileBytes
      }
      slice.push(list)
      bytes += size
    }
  }
  if (slice.length > 0) slices.push(slice)
  return slices.map((some) => ({ key, lists: some }))
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

function sizeOf(list: MetricList): number {
  return list.datapoints.bytes.length + encodeHead(list).length + listBytes
}
