import type { MetricList } from '../model/metric-list.js'

/**
 * Hands lists to the pipeline. Settles when there is room for more or, for a source that keeps positions, when every
 * sink has answered. What is lost is counted behind it; it rejects only where the process ends before the sinks have answered:
 * then a position stays where it was.
 */
export type Emit = (lists: readonly MetricList[]) => Promise<void>

/**
 * Where lists come from. The pipeline calls `run` once, after every sink has been opened, and calls nothing else.
 *
 * TCP and the bus wait for `emit` before they read on (back-pressure). UDP and the poller do not wait: they
 * count what they drop. Every source adds what it received to its hop's ledger before it emits.
 */
export interface Source {
  readonly name: string
  /**
   * Emits until `signal` is aborted, then stops taking in, emits what it still holds, closes its sockets and resolves.
   * Rejects only where it can never work (a StatsError with an exit code); a bad peer is logged and counted.
   */
  run(emit: Emit, signal: AbortSignal): Promise<void>
}
