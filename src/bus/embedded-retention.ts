import type { Env } from './embedded-env.js'
import { decodeRun, type LogRecord, messageKey, runKey, runOfKey } from './embedded-records.js'

/** What the bus keeps; absent: everything. */
export interface Retention {
  readonly bytes?: number | undefined
  readonly ageMs?: number | undefined
}

/** What has to go, and what the log is then. */
export interface Removal {
  readonly log: LogRecord
  readonly messages: number
  /** To be called inside the transaction. */
  remove(): void
}

/**
 * Finds the oldest runs that are beyond the retention, the runs of one append at a time.
 *
 * @param maxMessages where to stop, so that one transaction stays short; what is left goes with the next
 */
export function planRemoval(
  env: Env,
  log: LogRecord,
  retention: Retention,
  nowMs: number,
  maxMessages: number,
): Removal {
  const { bytes: limitBytes = Number.POSITIVE_INFINITY, ageMs = Number.POSITIVE_INFINITY } = retention
  const keys: [run: Buffer, messages: Buffer[]][] = []
  let { storedBytes } = log
  let messages = 0
  if (storedBytes > limitBytes || ageMs !== Number.POSITIVE_INFINITY) {
    for (const { key, value } of env.runs.getRange({ start: runKey(0) })) {
      const run = decodeRun(value)
      const goes = storedBytes > limitBytes || run.timeMs < nowMs - ageMs
      if (!goes || messages >= maxMessages) break
      const range = Array.from({ length: run.count }, (_, at) => messageKey(run, run.firstOffset + BigInt(at)))
      keys.push([runKey(runOfKey(key)), range])
      storedBytes -= run.storedBytes
      messages += run.count
    }
  }
  return {
    log: { ...log, storedBytes: Math.max(0, storedBytes) },
    messages,
    remove() {
      for (const [run, range] of keys) {
        void env.runs.remove(run)
        for (const key of range) void env.messages.remove(key)
      }
    },
  }
}
