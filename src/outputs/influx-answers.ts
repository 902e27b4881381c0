import type { InfluxAnswer } from './influx-client.js'

/** What an answer to a write means. */
export type Verdict =
  | { readonly kind: 'taken' }
  /** Something in the body is wrong: parts of it may be right. */
  | { readonly kind: 'refused'; readonly words: string; readonly reason: 'rejected_by_sink' | 'too_large' }
  | { readonly kind: 'later'; readonly words: string; readonly afterMs?: number }
  /** Nothing will ever be taken. */
  | { readonly kind: 'never'; readonly words: string }

/** @param nowMs for a Retry-After that is a date */
export function judge(answer: InfluxAnswer, nowMs: number): Verdict {
  const { status } = answer
  const words = `${status}: ${wordsOf(answer.body) || 'no reason given'}`
  if (status >= 200 && status < 300) return { kind: 'taken' }
  if (status === 400 || status === 422) return { kind: 'refused', words, reason: 'rejected_by_sink' }
  if (status === 413) return { kind: 'refused', words, reason: 'too_large' }
  // InfluxDB 1 answers an unknown retention policy with 500.
  if (status === 500 && /retention policy not found/.test(words)) return { kind: 'never', words }
  if (status === 401 || status === 403 || status === 404) return { kind: 'never', words }
  const afterMs = retryAfterMs(answer.retryAfter, nowMs)
  return afterMs === undefined ? { kind: 'later', words } : { kind: 'later', words, afterMs }
}

/** InfluxDB's own words out of its JSON (`error` in 1.x and 3.x, `message` in 2.x), else the text; at most 500 characters. */
export function wordsOf(body: string): string {
  const { error, message } = jsonOf(body)
  const words = [message, error].find((text) => typeof text === 'string' && text !== '')
  return String(words ?? body.replace(/<[^>]*>/g, ' '))
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 500)
}

/**
 * The lines that a refusal names, by their place in the request, with the reason: so that they need not be searched for.
 * InfluxDB 1 and 2 quote them (`unable to parse 'line': reason`), InfluxDB 3 numbers them.
 */
export function namedLines(body: string, lines: readonly string[]): Map<number, string> {
  const named = new Map<number, string>()
  const { error, message, data } = jsonOf(body)
  for (const text of [error, message]) if (typeof text === 'string') addQuoted(named, text, lines)
  if (Array.isArray(data)) for (const item of data) addNumbered(named, item, lines.length)
  return named
}

/** Whether a partial write of InfluxDB 1 tells that it left out as many points as there were. */
export function refusesAll(body: string, lineCount: number): boolean {
  const { error = '', message = '' } = jsonOf(body)
  return /partial write:.* dropped=(\d+)\s*$/s.exec(`${message || error}`)?.[1] === String(lineCount)
}

function addQuoted(named: Map<number, string>, text: string, lines: readonly string[]): void {
  const quoted = [...text.matchAll(/unable to parse '(.*)': (.*)/g)]
  if (quoted.length === 0) return
  const places = new Map(lines.map((line, at) => [line, at]))
  for (const [, line = '', reason = ''] of quoted) {
    const at = places.get(line)
    if (at !== undefined) named.set(at, reason.replace(/ dropped=\d+$/, ''))
  }
}

function addNumbered(named: Map<number, string>, item: unknown, lineCount: number): void {
  const { line_number: number, error_message: reason } = (item ?? {}) as Record<string, unknown>
  if (typeof number === 'number' && number >= 1 && number <= lineCount) named.set(number - 1, String(reason))
}

function jsonOf(body: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(body)
    return parsed !== null && typeof parsed === 'object' ? (parsed as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** Seconds, or an HTTP date. */
function retryAfterMs(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined
  if (/^\d+$/.test(text)) return Number(text) * 1000
  const dateMs = Date.parse(text)
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs)
}
