/**
 * The newest bytes written to a peer that never answers.
 *
 * What the socket took can still be lost: it waits in the buffers of both systems, and a peer that ends throws it away. Nothing tells how far the
 * peer has read. So the bytes are kept until they certainly, or by all experience, left these buffers: when more than `limitBytes`
 * have been written behind them (Linux keeps at most 4 MiB unsent and 6 MiB unread), or after `keepMs`.
 */
export interface UnconfirmedTail {
  add(bytes: Uint8Array): void
  /** Oldest first. */
  chunks(): readonly Uint8Array[]
  /** Everything was read: nothing needs to be sent again. */
  clear(): void
}

export function createUnconfirmedTail({
  nowMs,
  limitBytes = 10 * 1024 * 1024,
  keepMs = 60_000,
}: {
  /** A clock that never jumps. */
  nowMs: () => number
  limitBytes?: number
  keepMs?: number
}): UnconfirmedTail {
  let kept: { bytes: Uint8Array; writtenMs: number }[] = []
  let keptBytes = 0

  function prune() {
    const oldestMs = nowMs() - keepMs
    let gone = 0
    for (const { bytes, writtenMs } of kept) {
      // What remains behind this chunk must alone reach the limit: half of a line is of no use.
      if (writtenMs >= oldestMs && keptBytes - bytes.length < limitBytes) break
      keptBytes -= bytes.length
      gone++
    }
    if (gone > 0) kept = kept.slice(gone)
  }

  return {
    add(bytes) {
      kept.push({ bytes, writtenMs: nowMs() })
      keptBytes += bytes.length
      prune()
    },
    chunks() {
      prune()
      return kept.map(({ bytes }) => bytes)
    },
    clear() {
      kept = []
      keptBytes = 0
    },
  }
}
