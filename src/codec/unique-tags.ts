import type { Tag } from '../model/metric-list.js'

/** The tags by key, in the order of their first appearance; of a repeated key the last value counts. */
export function lastOfEachKey(tags: readonly Tag[]): Map<string, string> {
  const values = new Map<string, string>()
  for (const { key, value } of tags) values.set(key, value)
  return values
}

/** Remembers what `make` answered for an array of tags: lists with the same tags share one (see MetricList). */
export function createTagsCache<Made>(make: (tags: readonly Tag[]) => Made): (tags: readonly Tag[]) => Made {
  const known = new WeakMap<readonly Tag[], Made>()
  return (tags) => {
    const hit = known.get(tags)
    if (hit !== undefined) return hit
    const made = make(tags)
    known.set(tags, made)
    return made
  }
}
