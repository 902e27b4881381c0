import type { MetricList } from '../model/metric-list.js'

/**
 * A copy of the stream, for another program on this node. Whatever becomes of the copy, the stream does not notice: a tap is
 * never waited for, and what it cannot pass on it counts under metrics of its own, never in the hop's ledger.
 *
 * Order of calls, promised by `pipeline/tapped-delivery`: `open` once; then `push`; then `close` once, also after a
 * failed `open`.
 */
export interface Tap {
  readonly name: string
  /** Rejects with a StatsError that has an exit code where it can never work, such as a port that is taken. */
  open(signal: AbortSignal): Promise<void>
  /** Takes a copy of what it needs before it returns. Never throws. */
  push(lists: readonly MetricList[]): void
  close(): Promise<void>
}
