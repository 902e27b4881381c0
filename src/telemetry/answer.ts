import type { Writable } from 'node:stream'

/** What the admin server says to a request: a text, or a stream that goes on until the one who asked has gone. */
export type Answer = {
  readonly status: number
  readonly type: string
  readonly headers?: Readonly<Record<string, string>>
} & ({ readonly body: string /** Where it is to be kept as a file. */; readonly fileName?: string } | StreamBody)

export interface StreamBody {
  /** Writes to `out` from now on; what it has started, the route's signal ends. */
  readonly stream: (out: Writable) => void
}

/** Answers one path; `signal` is aborted when the one who asked has gone. */
export type Route = (query: URLSearchParams, signal: AbortSignal) => Answer | Promise<Answer>

export function json(status: number, value: unknown): Answer {
  return { status, type: 'application/json', body: `${JSON.stringify(value)}\n` }
}

export function text(status: number, body: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${body}\n` }
}
