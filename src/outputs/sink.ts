import type { DropReason } from '../model/ledger.js'
import type { MetricList } from '../model/metric-list.js'

/** Datapoints that this sink will never be able to write, why, and the peer's or library's words. */
export interface Drop {
  readonly datapoints: number
  readonly reason: DropReason
  readonly cause?: Error
}

/**
 * What became of one batch. `repeated` are datapoints that this write gave to the peer once more because a write before it
 * had no answer: the peer may have them twice.
 * - sent: `datapoints` were taken by the peer; `dropped` are the others of the batch, never to be tried again.
 * - retry: nothing of the batch is settled; it comes again, after `afterMs` where the peer asked for that.
 */
export type WriteResult =
  | {
      readonly status: 'sent'
      readonly datapoints: number
      readonly dropped?: readonly Drop[]
      readonly repeated?: number
    }
  | { readonly status: 'retry'; readonly cause: Error; readonly afterMs?: number; readonly repeated?: number }

/**
 * Where lists go. Order of calls, promised by `pipeline/deliver`: `open` once; then `write`, never two at
 * a time; then `close` once, also after a failed `open`. So a sink needs no lock, and it never loops, never sleeps, never
 * retries: it reports, and `pipeline/deliver` waits, repeats and counts.
 */
export interface Sink {
  readonly name: string
  /**
   * Prepares; a peer that is merely away is no error here but a `retry` later.
   * Rejects with a StatsError that has an exit code where it can never work (wrong password, file not writable).
   */
  open(signal: AbortSignal): Promise<void>
  /** Rejects only with a StatsError that has an exit code: then the process ends. Everything else is a WriteResult. */
  write(lists: readonly MetricList[], signal: AbortSignal): Promise<WriteResult>
  close(): Promise<void>
}

/** What goes into one write, as bytes. */
export interface Load {
  /** What it takes so far. */
  readonly byteLength: number
  /** Adds lists; nothing of them is kept. */
  add(lists: readonly MetricList[]): void
  /** As `Sink.write`, for all that was added. After a retry the same load comes again. */
  write(signal: AbortSignal): Promise<WriteResult>
}

/** A sink that makes the bytes of a write as lists come: what waits for the write before it are bytes then, not objects. */
export interface PackingSink extends Sink {
  newLoad(): Load
}

export function canPack(sink: Sink): sink is PackingSink {
  return 'newLoad' in sink
}
