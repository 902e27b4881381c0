import type { Readable } from 'node:stream'
import fetch, { type Response } from 'node-fetch'
import { type Clock, systemClock } from '../platform/clock.js'
import { ExitCode, messageOf, StatsError } from '../platform/errors.js'

export interface AgentClientOptions {
  /** Such as `dcos-stats/1.2.3`. */
  readonly userAgent: string
  /** Sent as `Authorization: token=<credential>`; undefined or '' for none. */
  readonly credential?: string | undefined
  /** For the whole of a reply, from the request to its last byte. */
  readonly timeoutMs?: number
  /** Unpacked. */
  readonly maxReplyBytes?: number
  readonly clock?: Clock
}

/** Asks the local Mesos agent by HTTP. */
export interface AgentClient {
  /**
   * The body of a 2xx answer, unpacked, in a buffer of its own (it may be handed to a worker).
   *
   * Rejects with a StatsError: `DS_AGENT_AUTH` (401, with an exit code: nothing but another credential helps),
   * `DS_AGENT_STATUS`, `DS_AGENT_REDIRECT`, `DS_AGENT_TIMEOUT`, `DS_AGENT_TOO_LARGE`, `DS_AGENT_AWAY`.
   */
  get(url: string, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>>
}

const maxRedirects = 3

export function createAgentClient({
  userAgent,
  credential,
  timeoutMs = 10_000,
  maxReplyBytes = 256 * 1024 * 1024,
  clock = systemClock,
}: AgentClientOptions): AgentClient {
  const headers: Record<string, string> = { Accept: 'application/json', 'User-Agent': userAgent }
  if (credential) headers.Authorization = `token=${credential}`

  return {
    async get(url, signal) {
      const request = new AbortController()
      const abort = () => request.abort()
      let late = false
      const cancelTimeout = clock.after(timeoutMs, () => {
        late = true
        abort()
      })
      signal.addEventListener('abort', abort, { once: true })
      if (signal.aborted) abort()
      try {
        return await getBody(url, request.signal)
      } catch (cause) {
        throw late ? timedOut(url, timeoutMs) : asAgentError(url, cause)
      } finally {
        cancelTimeout()
        signal.removeEventListener('abort', abort)
      }
    },
  }

  async function getBody(url: string, signal: AbortSignal, redirects = 0): Promise<Uint8Array<ArrayBuffer>> {
    const response = await fetch(url, { headers, signal, redirect: 'manual' })
    // An abort makes node-fetch emit 'error' on the body; without a listener that would end the process.
    const body = response.body as Readable | null
    body?.on('error', () => {})
    if (response.ok && body !== null) return readAll(url, body, maxReplyBytes)
    body?.destroy()
    const target = redirectTarget(url, response)
    if (target !== undefined && redirects < maxRedirects) return getBody(target, signal, redirects + 1)
    throw refused(url, response.status, credential)
  }
}

/** Where the agent sends us within itself; a foreign host would get the credential, so it is refused. */
function redirectTarget(url: string, response: Response): string | undefined {
  const location = response.headers.get('location')
  if (response.status < 300 || response.status > 399 || location === null) return undefined
  const target = URL.canParse(location, url) ? new URL(location, url) : undefined
  if (target?.origin === new URL(url).origin) return target.href
  throw new StatsError(
    'DS_AGENT_REDIRECT',
    `The Mesos agent at ${url} redirects to ${location}, which is not the agent itself; that is not followed. ` +
      'Give the address that answers by --agent-url.',
  )
}

async function readAll(url: string, body: Readable, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > maxBytes) {
      throw new StatsError('DS_AGENT_TOO_LARGE', `The Mesos agent's reply to ${url} has more than ${maxBytes} bytes.`)
    }
    chunks.push(chunk)
  }
  const bytes = new Uint8Array(size)
  let pos = 0
  for (const chunk of chunks) {
    bytes.set(chunk, pos)
    pos += chunk.length
  }
  return bytes
}

function refused(url: string, status: number, credential: string | undefined): StatsError {
  if (status !== 401) {
    return new StatsError('DS_AGENT_STATUS', `The Mesos agent at ${url} answered with status ${status} instead of 200.`)
  }
  const what = credential ? 'refused the credential (401). Check' : 'wants a credential (401). Give one by'
  return new StatsError('DS_AGENT_AUTH', `The Mesos agent at ${url} ${what} --auth-credential (AUTH_CREDENTIAL).`, {
    exitCode: ExitCode.unavailable,
  })
}

function timedOut(url: string, timeoutMs: number): StatsError {
  return new StatsError('DS_AGENT_TIMEOUT', `The Mesos agent did not answer ${url} within ${timeoutMs} ms.`)
}

function asAgentError(url: string, cause: unknown): StatsError {
  if (cause instanceof StatsError) return cause
  return new StatsError('DS_AGENT_AWAY', `The Mesos agent does not answer ${url}: ${messageOf(cause)}.`, { cause })
}
