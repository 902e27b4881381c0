import { encodeDatapoints } from '../../src/codec/datapoints.js'
import type { Datapoint, MetricList, Tag } from '../../src/model/metric-list.js'

/** A list as a partner gets it: datapoints given as `[name, value]`, or with a time as third. */
export function listWith(
  tags: readonly Tag[] | Readonly<Record<string, string>>,
  points: readonly (readonly [name: string, value: number, timeMs?: number])[],
  topic = 'topic',
): MetricList {
  const all = Array.isArray(tags) ? tags : Object.entries(tags).map(([key, value]) => ({ key, value }))
  const datapoints = points.map(([name, value, timeMs = 1000]): Datapoint => ({ name, value, timeMs }))
  return { topic, tags: all, datapoints: encodeDatapoints(datapoints) }
}

/** Looks again at each turn of the event loop until something is so. */
export async function until(isSo: () => boolean): Promise<void> {
  const endMs = performance.now() + 25_000
  while (!isSo()) {
    if (performance.now() > endMs) throw new Error(`Waited in vain for ${isSo}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
