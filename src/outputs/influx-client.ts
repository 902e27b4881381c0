import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import fetch, { type Response } from 'node-fetch'
import type { Clock } from '../platform/clock.js'
import type { InfluxRequest } from './influx-target.js'

/** What came back. */
export interface InfluxAnswer {
  readonly status: number
  /** The beginning of the body. */
  readonly body: string
  readonly retryAfter: string | undefined
}

/** Posts to InfluxDB over connections that stay open. */
export interface InfluxClient {
  /** Rejects where no answer came, with an error that says why. */
  post(request: InfluxRequest, body: string, signal: AbortSignal): Promise<InfluxAnswer>
  close(): void
}

// InfluxDB says what is wrong in a few lines; an answer of a megabyte is not InfluxDB's.
const ANSWER_LIMIT_BYTES = 1024 * 1024
const compress = promisify(gzip)

export function createInfluxClient({
  gzip: compressed,
  connections,
  timeoutMs,
  clock,
}: {
  gzip: boolean
  connections: number
  timeoutMs: number
  clock: Clock
}): InfluxClient {
  const agents = {
    'http:': new HttpAgent({ keepAlive: true, maxSockets: connections }),
    'https:': new HttpsAgent({ keepAlive: true, maxSockets: connections }),
  }
  const agent = ({ protocol }: URL) => agents[protocol === 'https:' ? 'https:' : 'http:']

  async function post(request: InfluxRequest, body: string, signal: AbortSignal): Promise<InfluxAnswer> {
    const { url, headers, mayCompress } = request
    const compressing = compressed && mayCompress
    const encoding = compressing ? { 'Content-Encoding': 'gzip' } : undefined
    // Lines repeat themselves so much that the fastest level leaves little for the others to win.
    const bytes = compressing ? await compress(body, { level: constants.Z_BEST_SPEED }) : body
    // Given a signal that is aborted already, node-fetch destroys the body where nobody listens, and the process ends.
    signal.throwIfAborted()
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...headers, ...encoding },
      body: bytes,
      agent,
      signal,
      size: ANSWER_LIMIT_BYTES,
      // A redirect would turn the write into a GET, or carry the credential to another host.
      redirect: 'manual',
    })
    return answerOf(response)
  }

  return {
    async post(request, body, signal) {
      const timeout = new AbortController()
      const cancel = clock.after(timeoutMs, () => timeout.abort())
      try {
        return await post(request, body, AbortSignal.any([signal, timeout.signal]))
      } catch (cause) {
        if (timeout.signal.aborted) throw new Error(`no answer within ${timeoutMs} ms`)
        throw cause
      } finally {
        cancel()
      }
    },
    close() {
      for (const each of Object.values(agents)) each.destroy()
    },
  }
}

async function answerOf(response: Response): Promise<InfluxAnswer> {
  return {
    status: response.status,
    body: await response.text(),
    retryAfter: response.headers.get('retry-after') ?? undefined,
  }
}
