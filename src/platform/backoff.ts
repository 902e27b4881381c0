/** How long to wait before the next try. */
export interface Backoff {
  /** The next wait in milliseconds; each call doubles the one after it, up to `maxMs`. */
  nextMs(): number
  /** Starts over with `firstMs`: call it after a success. */
  reset(): void
}

/**
 * Exponential back-off with jitter: 1, 2, 4 ... `maxMs`, each shortened at random by up to `jitter` of itself,
 * so that many daemons that lost the same peer do not come back in the same instant.
 *
 * @param jitter 0 (exact) to 1 (anything from nothing to the full wait); 0.2 unless given
 * @param random returns a number in [0, 1); passed in by tests
 */
export function createBackoff({
  firstMs,
  maxMs,
  jitter = 0.2,
  random = Math.random,
}: {
  firstMs: number
  maxMs: number
  jitter?: number
  random?: () => number
}): Backoff {
  let waitMs = firstMs
  return {
    nextMs() {
      const chosenMs = waitMs * (1 - jitter * random())
      waitMs = Math.min(waitMs * 2, maxMs)
      return chosenMs
    },
    reset() {
      waitMs = firstMs
    },
  }
}
