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

/** A topic of the bus and a key: what goes there in one turn travels together. */
interface Lane {
  readonly topic: string
  readonly key: string
  /** The turn in which `parcelAt` was given. */
  turn: number
  /** The parcel of that turn. Its number, not the parcel: it would keep the lists of a topic that falls silent. */
  parcelAt: number
}

/** Where lists with the same topic and tags go. */
interface Route {
  readonly listTopic: string
  readonly lane: Lane
  readonly head: Uint8Array
}

/** Beyond that many lanes they are forgotten. Routes keep theirs, so a key may then have two messages in a write. */
const maxLanes = 10_000

/** Schema, marker and counts of a container file, rounded up. */
const fileBytes = 1024
/** Counts and sizes of a list, at most. */
const listBytes = 24

class OpenParcel implements Parcel {
  readonly topic: string
  readonly key: string
  readonly lists: MetricList[] = []
  readonly heads: Uint8Array[] = []
  bytes = fileBytes

  constructor({ topic, key }: Pick<Lane, 'topic' | 'key'>) {
    this.topic = topic
    this.key = key
  }

  add(list: MetricList, head: Uint8Array): void {
    this.lists.push(list)
    this.heads.push(head)
    this.bytes += sizeOf(list, head)
  }
}

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
  readonly #lanes = new Map<string, Lane>()
  #turn = 0

  constructor(topicOf: (list: Pick<MetricList, 'topic'>) => string, limitBytes: number) {
    this.#topicOf = topicOf
    this.#limitBytes = limitBytes
  }

  /** @returns parcels by topic; lists without datapoints are left out */
  sort(lists: readonly MetricList[]): Map<string, Parcel[]> {
    this.#turn++
    const parcels: OpenParcel[] = []
    for (const list of lists) {
      if (list.datapoints.count === 0) continue
      const { lane, head } = this.#routeOf(list)
      if (lane.turn !== this.#turn) this.#openParcel(lane, parcels)
      parcels[lane.parcelAt]!.add(list, head)
    }
    const byTopic = new Map<string, Parcel[]>()
    for (const parcel of parcels) {
      const fitting = parcel.bytes <= this.#limitBytes ? [parcel] : sliceParcel(parcel, this.#limitBytes)
      const ofTopic = byTopic.get(parcel.topic)
      if (ofTopic === undefined) byTopic.set(parcel.topic, fitting)
      else ofTopic.push(...fitting)
    }
    return byTopic
  }

  #openParcel(lane: Lane, parcels: OpenParcel[]): void {
    lane.turn = this.#turn
    lane.parcelAt = parcels.push(new OpenParcel(lane)) - 1
  }

  #routeOf(list: MetricList): Route {
    const known = this.#routes.get(list.tags)
    if (known !== undefined && known.listTopic === list.topic) return known
    const key = tagValue(list.tags, 'container_id') ?? tagValue(list.tags, 'agent_id') ?? ''
    const route = { listTopic: list.topic, lane: this.#laneOf(this.#topicOf(list), key), head: encodeHead(list) }
    this.#routes.set(list.tags, route)
    return route
  }

  #laneOf(topic: string, key: string): Lane {
    // A topic of the bus has no blank.
    const name = `${topic} ${key}`
    const known = this.#lanes.get(name)
    if (known !== undefined) return known
    if (this.#lanes.size >= maxLanes) this.#lanes.clear()
    const lane = { topic, key, turn: 0, parcelAt: 0 }
    this.#lanes.set(name, lane)
    return lane
  }
}

/** Parcels that, as container files, are not larger than `limitBytes` by estimate; a list that is larger alone is cut as well. */
function sliceParcel(parcel: OpenParcel, limitBytes: number): Parcel[] {
  let slice = new OpenParcel(parcel)
  const slices = [slice]
  for (let at = 0; at < parcel.lists.length; at++) {
    const head = parcel.heads[at]!
    for (const list of cutList(parcel.lists[at]!, head, limitBytes - fileBytes)) {
      if (slice.lists.length > 0 && slice.bytes + sizeOf(list, head) > limitBytes) {
        slice = new OpenParcel(parcel)
        slices.push(slice)
      }
      slice.add(list, head)
    }
  }
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

function cutList(list: MetricList, head: Uint8Array, limitBytes: number): MetricList[] {
  if (sizeOf(list, head) <= limitBytes) return [list]
  const halves = halveList(list)
  return halves.length === 0 ? [list] : halves.flatMap((half) => cutList(half, head, limitBytes))
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

function sizeOf({ datapoints }: MetricList, head: Uint8Array): number {
  return datapoints.bytes.length + head.length + listBytes
}
