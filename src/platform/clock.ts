/** Stops what a timer would have done; calling it again does nothing. */
export type Cancel = () => void

/**
 * Time as an argument, so that a test can run a 60-second window in a millisecond
 * (`test/support/fake-clock.ts`).
 */
export interface Clock {
  /** Milliseconds since 1970, what a datapoint's `timeMs` is made of. */
  nowMs(): number
  /** Milliseconds that never jump, for measuring spans. */
  monotonicMs(): number
  /** Calls `run` once, `delayMs` from now. */
  after(delayMs: number, run: () => void): Cancel
  /** Calls `run` every `periodMs`, first after one full period. */
  every(periodMs: number, run: () => void): Cancel
  /** Resolves after `delayMs`, or at once when `signal` is aborted; it never rejects. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    return () => clearTimeout(timer)
  },
  every(periodMs, run) {
    const timer = setInterval(run, periodMs)
    return () => clearInterval(timer)
  },
  sleep: (delayMs, signal) => sleepOn(systemClock, delayMs, signal),
}

/** The same clock, whose sleeps end when `signal` is aborted. */
export function hurriedBy(signal: AbortSignal, clock: Clock): Clock {
  return {
    ...clock,
    async sleep(delayMs, ownSignal) {
      const hurry = new AbortController()
      const wake = () => hurry.abort()
      const signals = ownSignal ? [signal, ownSignal] : [signal]
      for (const each of signals) each.addEventListener('abort', wake, { once: true })
      if (!signals.some(({ aborted }) => aborted)) await clock.sleep(delayMs, hurry.signal)
      for (const each of signals) each.removeEventListener('abort', wake)
    },
  }
}

/** `Clock.sleep` in terms of `Clock.after`, for every clock to use. */
export function sleepOn(clock: Pick<Clock, 'after'>, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const cancel = clock.after(delayMs, done)
    signal?.addEventListener('abort', done, { once: true })
    function done() {
      cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
  })
}
