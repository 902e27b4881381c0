/** What the process exits with; the same numbers for every subcommand (sysexits.h where it has one). */
export const ExitCode = { ok: 0, failure: 1, usage: 2, unavailable: 69, config: 78 } as const

export type ErrorCode = `DS_${string}`

/**
 * An error meant for a person: the message says what was expected, what came, and what to do.
 *
 * `code` is stable and may be tested for. `exitCode` is set where the process cannot go on; without it the
 * error concerns one connection, one reply or one message, and the rest of the program continues.
 */
export class StatsError extends Error {
  readonly code: ErrorCode
  readonly exitCode: number | undefined

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; exitCode?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'StatsError'
    this.code = code
    this.exitCode = options.exitCode
  }
}

/** The text of anything that was thrown: an `Error`'s message, else the value as a string. */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  // Node's AggregateError of a refused connection (IPv4 and IPv6 tried) has an empty message of its own.
  if (thrown.message === '' && thrown instanceof AggregateError) return thrown.errors.map(messageOf).join('; ')
  return thrown.message
}

/** The system's code of an error (`ECONNREFUSED`, `EADDRINUSE`), or undefined where it has none. */
export function systemCodeOf(thrown: unknown): string | undefined {
  const code = (thrown as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}
