import type { Writable } from 'node:stream'
import type { Clock } from '../platform/clock.js'

/** How many are due after a time at a rate: the first at once; Infinity without a rate. */
export function pacedCount(ratePerSecond: number | undefined, elapsedMs: number): number {
  return ratePerSecond === undefined ? Number.POSITIVE_INFINITY : 1 + Math.floor((ratePerSecond * elapsedMs) / 1000)
}

const PROGRESS_MS = 1000

/** A line on a terminal that tells, each second, how much was sent; the returned function ends the line. */
export function startProgress({
  clock,
  stderr,
  unit,
  count,
  sent,
}: {
  clock: Clock
  stderr: Writable
  unit: string
  /** What is to be sent in all; undefined where there is no end. */
  count: number | undefined
  sent: () => number
}): () => void {
  let last = 0
  const stop = clock.every(PROGRESS_MS, () => {
    const now = sent()
    const share = count === undefined ? '' : ` of ${count} (${Math.floor((100 * now) / count)} %)`
    stderr.write(`\r${now}${share} ${unit}, ${Math.round((now - last) / (PROGRESS_MS / 1000))}/s   `)
    last = now
  })
  return () => {
    stop()
    stderr.write('\n')
  }
}
