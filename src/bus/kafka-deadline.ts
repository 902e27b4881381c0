import type { Clock } from '../platform/clock.js'

/** What `work` comes to; rejects after `limitMs`, for kafkajs has calls that never end. */
export function withDeadline<T>(clock: Clock, limitMs: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(limitMs, () => reject(new Error(`no answer within ${limitMs} ms`)))
    work.then(resolve, reject).finally(cancel)
  })
}

/** Resolves when `work` has settled in whatever way, at the latest after `limitMs`. */
export function settledWithin(clock: Clock, limitMs: number, work: Promise<unknown>): Promise<void> {
  return withDeadline(clock, limitMs, work).then(
    () => {},
    () => {},
  )
}
