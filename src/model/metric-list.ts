/** A label on all datapoints of a list. Keys may repeat: what repeats, and in which order, is the sender's choice. */
export interface Tag {
  readonly key: string
  readonly value: string
}

/** One measurement, as a sink or a test sees it. The hops on the way keep it in its bytes: see `Datapoints`. */
export interface Datapoint {
  readonly name: string
  /** Milliseconds since 1970. */
  readonly timeMs: number
  readonly value: number
}

/**
 * Datapoints in their Avro encoding: `count` items of the array, one behind the other, without the array's
 * block counts and without its end. A hop that does not need a datapoint never decodes it.
 */
export interface Datapoints {
  readonly count: number
  readonly bytes: Uint8Array
}

/**
 * Datapoints that share a topic and tags: `dcos.metrics.MetricList` of schema/metrics.avsc.
 *
 * Lists are never changed. Parts that read many lists with the same tags hand out the same `tags` array for
 * them, so that what was worked out for an array (its encoding, its tags with agent_id added) can be kept
 * in a WeakMap under it.
 */
export interface MetricList {
  readonly topic: string
  readonly tags: readonly Tag[]
  readonly datapoints: Datapoints
}

/** The value of the first tag with this key, or undefined. */
export function tagValue(tags: readonly Tag[], key: string): string | undefined {
  for (const tag of tags) if (tag.key === key) return tag.value
  return undefined
}

/** How many datapoints `lists` hold together: the ledger's unit. */
export function countDatapoints(lists: readonly MetricList[]): number {
  let count = 0
  for (const list of lists) count += list.datapoints.count
  return count
}
