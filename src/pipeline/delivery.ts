import type { DropReason } from '../model/ledger.js'
import type { MetricList } from '../model/metric-list.js'
import type { Sink } from '../outputs/sink.js'
import type { Backoff } from '../platform/backoff.js'
import type { Clock } from '../platform/clock.js'
import type { Ledger } from '../telemetry/ledger.js'
import type { Log } from '../telemetry/log.js'
import type { BatchLimits, BatchTrigger } from './batch.js'
import type { SinkReadiness } from './sink-watch.js'
import type { Stage } from './stage.js'

export interface DeliveryOptions {
  readonly sink: Sink
  readonly ledger: Ledger
  readonly log: Log
  readonly clock: Clock
  readonly backoff: Backoff
  /** Gathers lists before they are written; absent: each `push` is a write. */
  readonly batch?: { readonly limits: BatchLimits; readonly keyOf?: (list: MetricList) => string }
  /** Done to lists when they are written, each time, so that tags are as new as they can be; once where the sink packs them. */
  readonly through?: readonly Stage[]
  /** False: the batch is dropped as `global_limit`. */
  readonly admit?: (batch: BatchFigures) => boolean
  /**
   * What may wait in memory, half of it for batches to fill. With `whenFull` wait, `push` waits; else the oldest batches go,
   * counted as `dropReason` while the sink is away, and as `queue_full` where more comes than it takes.
   */
  readonly queue: {
    readonly limitBytes: number
    readonly whenFull: 'wait' | 'drop_oldest'
    readonly dropReason: DropReason
  }
  /**
   * When `push` settles. Queued: when there is room for more. Written: when the sink has answered for all of its lists; what
   * has no answer when the process ends is given back (`push` rejects) and stays in the ledger as held.
   */
  readonly pushSettles?: 'when_queued' | 'when_written'
  /** Several waiting batches may share one write up to this size; 0 (unless given): one batch, one write. */
  readonly mergeBytes?: number
  /**
   * How long after a write the next one waits for `mergeBytes` to come together; 0 unless given. The first batch after a
   * silence never waits.
   */
  readonly gatherMs?: number
  /** Ready once the sink is open; waiting whenever it has not taken anything for long. */
  readonly readiness?: SinkReadiness
  /** Told of every batch that leaves, such as for `Producing N MetricLists ...`. */
  readonly onBatch?: (batch: BatchFigures, trigger: BatchTrigger) => void
  /** Told of lists that were sent or dropped: nothing here looks at them any more, so their memory may be used again. */
  readonly onSettled?: (lists: readonly MetricList[]) => void
}

/** A batch that is complete, as far as others may know it. */
export interface BatchFigures {
  readonly key: string
  readonly lists: number
  readonly bytes: number
}

/** Everything around a sink: gathers, queues, retries with back-off, counts. Sinks only report. */
export interface Delivery {
  readonly name: string
  readonly ledger: Ledger
  /**
   * Opens the sink. Resolves after a second also where that takes longer, so that sources are taken in (and wait, or queue)
   * while a bus or store is away; rejects where the sink can never work.
   */
  open(signal: AbortSignal): Promise<void>
  /** Takes lists; see `pushSettles`. */
  push(lists: readonly MetricList[]): Promise<void>
  /** Rejects when the sink can never work again; else resolves after `drain`. */
  readonly ended: Promise<void>
  /**
   * Writes what waits, until `deadline` is aborted; what is left then is dropped with the queue's reason or, with
   * `pushSettles: 'when_written'`, given back.
   */
  drain(deadline: AbortSignal): Promise<void>
  close(): Promise<void>
}
