import type { Cancel, Clock } from '../platform/clock.js'
import { messageOf } from '../platform/errors.js'
import type { Log } from '../telemetry/log.js'

/** Told whether a sink takes data, for /ready. */
export interface SinkReadiness {
  ready(): void
  waiting(reason: string): void
}

/** Follows how a sink answers: tells when it is away, when it has been so for long, and when it takes data again. */
export interface SinkWatch {
  /** A write begins; until it is taken, the same data is asked for again and again. */
  asked(): void
  failed(cause: Error, retryInMs: number, heldDatapoints: number): void
  taken(): void
  /** Whether the last write failed, or has had no answer for longer than a busy sink needs. */
  isAway(): boolean
  /** Nothing more will be asked. */
  stop(): void
}

/** A restart of a peer is no reason to be called unready; what lasts longer is. */
const awayMs = 10_000
/** A sink that is there answers sooner, however busy. */
const busyMs = 1000

export function createSinkWatch({
  name,
  clock,
  log,
  readiness,
}: {
  name: string
  clock: Clock
  log: Log
  readiness: SinkReadiness | undefined
}): SinkWatch {
  let cancel: Cancel | undefined
  let askedAtMs: number | undefined
  let failingSinceMs: number | undefined
  let cause: string | undefined
  let away = false

  function tellAway(): void {
    away = true
    const reason = cause ?? `no answer for ${awayMs / 1000} s`
    if (cause === undefined) log.warn({ sink: name }, `${name} has not answered for ${awayMs / 1000} s`)
    readiness?.waiting(reason)
  }

  return {
    asked() {
      askedAtMs = clock.monotonicMs()
      cancel ??= clock.after(awayMs, tellAway)
    },
    failed(error, retryInMs, heldDatapoints) {
      failingSinceMs ??= clock.monotonicMs()
      cause = messageOf(error)
      if (away) readiness?.waiting(cause)
      log.warn({ sink: name, cause, retryInMs: Math.round(retryInMs), heldDatapoints }, `waiting for ${name}`)
    },
    taken() {
      cancel?.()
      cancel = cause = askedAtMs = undefined
      if (failingSinceMs !== undefined) {
        const fields = { sink: name, awayMs: Math.round(clock.monotonicMs() - failingSinceMs) }
        log.info(fields, `${name} takes data again`)
      }
      failingSinceMs = undefined
      if (away) readiness?.ready()
      away = false
    },
    isAway() {
      return failingSinceMs !== undefined || (askedAtMs !== undefined && clock.monotonicMs() - askedAtMs > busyMs)
    },
    stop() {
      cancel?.()
    },
  }
}
