import { type ContainerFileBuilder, ListHead } from '../codec/avro-file-builder.js'
import { encodeHead } from '../codec/avro-ocf.js'
import { type MetricList, type Tag, tagValue } from '../model/metric-list.js'

/** A message that grows. */
export interface OpenMessage {
  /** The write that it belongs to. */
  readonly load: object
  readonly file: ContainerFileBuilder
}

/** A topic of the bus and a key: lists of the same lane travel together. */
export interface Lane {
  readonly topic: string
  readonly key: string
  /** The message to which its lists are added. */
  open: OpenMessage | undefined
  /** What the last message took: the next will take about as much. */
  expectedBytes: number
}

/** Where lists with the same topic and tags go. */
export interface Route {
  readonly listTopic: string
  readonly lane: Lane
  readonly head: ListHead
}

/** Beyond that many lanes they are forgotten. Routes keep theirs, so a key may then have two messages in a write. */
const maxLanes = 10_000

/**
 * Lists with the same tags share one array of them (see MetricList), so nearly always one look tells all of a list: where it
 * goes, and how its head is encoded.
 */
export class Routes {
  readonly #topicOf: (list: Pick<MetricList, 'topic'>) => string
  readonly #routes = new WeakMap<readonly Tag[], Route>()
  readonly #lanes = new Map<string, Lane>()

  constructor(topicOf: (list: Pick<MetricList, 'topic'>) => string) {
    this.#topicOf = topicOf
  }

  of(list: MetricList): Route {
    const known = this.#routes.get(list.tags)
    if (known !== undefined && known.listTopic === list.topic) return known
    const key = tagValue(list.tags, 'container_id') ?? tagValue(list.tags, 'agent_id') ?? ''
    const route = {
      listTopic: list.topic,
      lane: this.#laneOf(this.#topicOf(list), key),
      head: new ListHead(encodeHead(list)),
    }
    this.#routes.set(list.tags, route)
    return route
  }

  #laneOf(topic: string, key: string): Lane {
    // A topic of the bus has no blank.
    const name = `${topic} ${key}`
    const known = this.#lanes.get(name)
    if (known !== undefined) return known
    if (this.#lanes.size >= maxLanes) this.#lanes.clear()
    const lane = { topic, key, open: undefined, expectedBytes: 0 }
    this.#lanes.set(name, lane)
    return lane
  }
}
