import { type Cancel, type Clock, sleepOn } from '../../src/platform/clock.js'

/** A clock that stands still until `advance` is called. */
export interface FakeClock extends Clock {
  /** Moves the time on and runs, in order, what falls due; between timers it lets promises settle. */
  advance(ms: number): Promise<void>
}

export function createFakeClock(startMs = 1_700_000_000_000): FakeClock {
  let nowMs = startMs
  const timers = new Set<{ dueMs: number; periodMs?: number; run: () => void }>()

  function add(timer: { dueMs: number; periodMs?: number; run: () => void }): Cancel {
    timers.add(timer)
    return () => timers.delete(timer)
  }

  const clock: FakeClock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs - startMs,
    after: (delayMs, run) => add({ dueMs: nowMs + delayMs, run }),
    every: (periodMs, run) => add({ dueMs: nowMs + periodMs, periodMs, run }),
    sleep: (delayMs, signal) => sleepOn(clock, delayMs, signal),
    async advance(ms) {
      const endMs = nowMs + ms
      for (;;) {
        await settle()
        const next = [...timers].filter(({ dueMs }) => dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0]
        if (next === undefined) break
        nowMs = Math.max(nowMs, next.dueMs)
        if (next.periodMs === undefined) timers.delete(next)
        else next.dueMs += next.periodMs
        next.run()
      }
      nowMs = endMs
      await settle()
    },
  }
  return clock
}

function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
