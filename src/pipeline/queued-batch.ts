import type { MetricList } from '../model/metric-list.js'
import type { Load } from '../outputs/sink.js'
import type { Batch } from './batch.js'
import type { Receipt } from './receipt.js'

/** A batch that has left the batcher. */
export type CompleteBatch = Pick<Batch<Receipt>, 'key' | 'datapoints' | 'bytes'> & {
  readonly lists: readonly MetricList[]
  readonly owners: Iterable<Receipt>
}

/** What waits for the sink: a batch, or the load that several share. */
export type QueuedBatch = (Omit<CompleteBatch, 'key'> & { readonly load?: undefined }) | LoadedBatch

/** Batches whose lists become bytes as they come. */
export interface LoadedBatch {
  readonly load: Load
  /** Those that are not in it yet. */
  lists: readonly MetricList[]
  readonly owners: Receipt[]
  datapoints: number
  bytes: number
}

/** The lists of all of them, in order. */
export function listsOf(batches: readonly QueuedBatch[]): readonly MetricList[] {
  if (batches.length === 1) return (batches[0] as QueuedBatch).lists
  // Half the time of `flatMap`.
  return ([] as MetricList[]).concat(...batches.map(({ lists }) => lists))
}
