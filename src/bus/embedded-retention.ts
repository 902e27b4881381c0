import type { Env } from './embedded-env.js'
import { decodeRun, indexKey, type LogRecord, type Run, runKey, runOfKey, storedBytesOf } from './embedded-records.js'

/** What the bus keeps; absent: everything. */
export interface Retention {
  readonly bytes?: number | undefined
  readonly ageMs?: number | undefined
}

/** What has to go. */
export interface Removal {
  readonly runs: readonly Run[]
  /** Of all these runs. */
  readonly storedBytes: number
  /** To be called inside the transaction. */
  remove(): void
}

/**
 * Finds the oldest runs that are beyond the retention.
 *
 * @param maxRuns where to stop, so that one transaction stays short; what is left goes with the next
 */
export function planRemoval(
  env: Pick<Env, 'runs' | 'index'>,
  log: LogRecord,
  { bytes: limitBytes = Number.POSITIVE_INFINITY, ageMs = Number.POSITIVE_INFINITY }: Retention,
  nowMs: number,
  maxRuns: number,
): Removal {
  const found: [key: number, run: Run][] = []
  let storedBytes = 0
  if (log.storedBytes > limitBytes || ageMs !== Number.POSITIVE_INFINITY) {
    for (const { key, value } of env.runs.getRange({ start: runKey(0) })) {
      const run = decodeRun(value)
      const goes = log.storedBytes - storedBytes > limitBytes || run.timeMs < nowMs - ageMs
      if (!goes || found.length >= maxRuns) break
      found.push([runOfKey(key), run])
      storedBytes += storedBytesOf(run)
    }
  }
  return {
    runs: found.map(([, run]) => run),
    storedBytes,
    remove() {
      for (const [number, run] of found) {
        void env.runs.remove(runKey(number))
        void env.index.remove(indexKey(run, run.firstOffset))
      }
    },
  }
}
