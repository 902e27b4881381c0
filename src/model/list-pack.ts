import type { DatapointsView } from './datapoints-view.js'
import type { MetricList, Tag } from './metric-list.js'

/**
 * Many lists that travel as one, in their Avro encoding: on their way out nobody looks at each, and two objects for a list of six
 * datapoints cost as much as reading these. Whoever does look gets them from `unpackLists`.
 */
export class ListPack implements MetricList {
  /** Of all lists; their bytes are the lists, one behind the other, as they stand in a block. */
  readonly datapoints: DatapointsView

  constructor(datapoints: DatapointsView) {
    this.datapoints = datapoints
  }

  get topic(): string {
    throw new Error('A pack has no topic of its own; take its lists (unpackLists).')
  }

  get tags(): readonly Tag[] {
    throw new Error('A pack has no tags of its own; take its lists (unpackLists).')
  }
}
