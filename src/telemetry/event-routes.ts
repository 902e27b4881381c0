import type { Writable } from 'node:stream'
import { type LiveQuery, type LiveSort, liveSorts } from '../model/live.js'
import { type Answer, type Route, text } from './answer.js'
import type { Live } from './live.js'

/** Streams at once: more are more likely a mistake than readers. */
const mostStreams = 32
const mostRows = 1000
const usualRows = 20

/**
 * `/events?search=TEXT&sort=rate|bytes|drops|age|name&limit=N`: server-sent events. First `history` (LiveHistory), then `live`
 * (LiveState) at once and each second. A reader that is too slow gets fewer of them.
 */
export function eventRoutes(live: Live): Readonly<Record<string, Route>> {
  return {
    '/events': (parameters, signal) => {
      const query = queryOf(parameters)
      if (query === undefined) return text(400, `Expected sort=${liveSorts.join('|')} and limit=1 to ${mostRows}.`)
      if (live.watchers >= mostStreams) return text(503, `There are ${mostStreams} readers of /events already.`)
      return events(live, query, signal)
    },
  }
}

function queryOf(parameters: URLSearchParams): LiveQuery | undefined {
  const sort = parameters.get('sort') ?? 'rate'
  const limit = Number(parameters.get('limit') ?? usualRows)
  if (!isSort(sort) || !Number.isInteger(limit) || limit < 1 || limit > mostRows) return undefined
  return { search: parameters.get('search') ?? '', sort, limit }
}

function isSort(word: string): word is LiveSort {
  return (liveSorts as readonly string[]).includes(word)
}

function events(live: Live, query: LiveQuery, signal: AbortSignal): Answer {
  return {
    status: 200,
    type: 'text/event-stream; charset=utf-8',
    headers: { 'cache-control': 'no-store' },
    stream(out) {
      const stop = live.watch(() => send(out, 'live', live.state(query)))
      signal.addEventListener('abort', stop, { once: true })
      if (signal.aborted) stop()
      send(out, 'history', live.history(), true)
      send(out, 'live', live.state(query), true)
    },
  }
}

// What a slow reader has not taken is in memory: one event of it is enough.
function send(out: Writable, event: string, data: unknown, always = false): void {
  if (always || !out.writableNeedDrain) out.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
}
