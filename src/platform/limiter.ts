/** Bytes counted against a limit that starts over each period. */
export interface ByteLimiter {
  /**
   * Counts `bytes`; false where the limit had been reached before them. What crosses the limit is still
   * allowed whole, and what is refused counts on (R21, R22 and R72 of the first implementation).
   */
  allow(bytes: number): boolean
  readonly receivedBytes: number
  readonly throttledBytes: number
  /** Starts the next period. */
  reset(): void
}

/**
 * @param limitBytes bytes allowed in one period; 0 refuses everything
 * @param counted what had been counted in this period before
 */
export function createByteLimiter(
  limitBytes: number,
  counted: Pick<ByteLimiter, 'receivedBytes' | 'throttledBytes'> = { receivedBytes: 0, throttledBytes: 0 },
): ByteLimiter {
  let { receivedBytes, throttledBytes } = counted
  return {
    allow(bytes) {
      const allowed = receivedBytes < limitBytes
      receivedBytes += bytes
      if (!allowed) throttledBytes += bytes
      return allowed
    },
    get receivedBytes() {
      return receivedBytes
    },
    get throttledBytes() {
      return throttledBytes
    },
    reset() {
      receivedBytes = 0
      throttledBytes = 0
    },
  }
}
