/** What the admin server says to a request. */
export interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
  /** Where it is to be kept as a file. */
  readonly fileName?: string
}

/** Answers one path; `signal` is aborted when the one who asked has gone. */
export type Route = (query: URLSearchParams, signal: AbortSignal) => Answer | Promise<Answer>

export function json(status: number, value: unknown): Answer {
  return { status, type: 'application/json', body: `${JSON.stringify(value)}\n` }
}

export function text(status: number, body: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${body}\n` }
}
