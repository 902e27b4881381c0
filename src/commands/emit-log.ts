import type { Clock } from '../platform/clock.js'
import type { Log, LogLevel } from '../telemetry/log.js'

/** The same is not said more often than this, whatever comes in between. */
const AGAIN_MS = 10_000

/**
 * The log of many connections to one place: what each of them finds out is said once, and again only after the opposite was.
 * A thousand connections that are refused, each second, are one line; that one of them was taken is the next.
 * Errors, which tell of losses, are all said.
 */
export function sharedLog(log: Log, clock: Clock): Log {
  const said = new Map<string, { turn: number; timeMs: number }>()
  let turn = 0
  let lastLevel: LogLevel | undefined

  const once =
    (level: 'info' | 'warn') =>
    (fields: object, text: string): void => {
      const key = `${level} ${text}`
      const before = said.get(key)
      const timeMs = clock.monotonicMs()
      if (lastLevel !== level) turn++
      lastLevel = level
      if (before !== undefined && (before.turn === turn || timeMs - before.timeMs < AGAIN_MS)) return
      said.set(key, { turn, timeMs })
      log[level](fields, text)
    }

  return { debug: log.debug.bind(log), error: log.error.bind(log), info: once('info'), warn: once('warn') } as Log
}
