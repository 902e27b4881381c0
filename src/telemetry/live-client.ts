import { type IncomingMessage, request } from 'node:http'
import { z } from 'zod'
import type { LiveQuery, LiveState } from '../model/live.js'
import { messageOf, StatsError } from '../platform/errors.js'
import { type AdminClientOptions, away, refusal } from './admin-client.js'

/** An event larger than this is not from a daemon of ours. */
const maxEventChars = 16 * 1024 * 1024

const row = z.object({
  id: z.string(),
  name: z.string().optional(),
  framework: z.string().optional(),
  containers: z.number().optional(),
  rate: z.number(),
  byteRate: z.number(),
  dropRate: z.number().optional(),
  dropped: z.number().optional(),
  kernelDrops: z.number().optional(),
  lastMs: z.number().optional(),
})
const table = z.object({ found: z.number(), rows: z.array(row) })
const numbers = z.record(z.string(), z.number())
const stateSchema = z.looseObject({
  atMs: z.number(),
  startedAtMs: z.number(),
  role: z.string(),
  version: z.string(),
  ready: z.boolean(),
  checks: z.record(z.string(), z.object({ ready: z.boolean(), reason: z.string().optional() })),
  hops: z.array(
    z.looseObject({
      hop: z.string(),
      received: z.number(),
      forwarded: z.number(),
      dropped: numbers,
      held: z.number(),
      rates: z.object({ received: z.number(), forwarded: z.number(), dropped: numbers }),
    }),
  ),
  containers: table,
  frameworks: table,
  names: table,
})

/**
 * What a daemon's /events tell, each second, until `signal` is aborted. Throws a StatsError `DS_ADMIN_AWAY` (exit 69) where it
 * does not answer, or stops to.
 *
 * @param options `timeoutMs` is also the longest silence between two events
 */
export async function* followLive(
  options: AdminClientOptions,
  query: LiveQuery,
  signal: AbortSignal,
): AsyncGenerator<LiveState> {
  try {
    for await (const { name, data } of eventsOf(await open(options, query, signal))) {
      if (name === 'live') yield stateOf(data, options)
    }
  } catch (cause) {
    if (signal.aborted) return
    throw cause instanceof StatsError ? cause : away(options, `broke off (${messageOf(cause)})`, cause)
  }
  if (!signal.aborted) throw away(options, 'ended its events')
}

function open(options: AdminClientOptions, query: LiveQuery, signal: AbortSignal): Promise<IncomingMessage> {
  const { address, token, timeoutMs } = options
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const path = `/events?${new URLSearchParams({ ...query, limit: String(query.limit) })}`
  const silence = new Error(`nothing came for ${timeoutMs} ms`)
  let answer: IncomingMessage | undefined
  return new Promise((resolve, reject) => {
    const asked = request({ ...address, path, headers, signal, timeout: timeoutMs }, (response) => {
      const status = response.statusCode ?? 0
      answer = response
      if (status === 200) return resolve(response.setEncoding('utf8'))
      response.resume()
      reject(away(options, refusal(status, '/events', token)))
    })
    asked.once('timeout', () => {
      answer?.destroy(silence)
      asked.destroy(silence)
    })
    asked.on('error', (cause) => reject(away(options, `does not answer (${messageOf(cause)})`, cause)))
    asked.end()
  })
}

async function* eventsOf(response: AsyncIterable<string>): AsyncGenerator<{ name: string; data: string }> {
  let text = ''
  for await (const chunk of response) {
    text += chunk
    if (text.length > maxEventChars) throw new Error('an event without an end')
    const events = text.split('\n\n')
    text = events.pop() ?? ''
    for (const event of events) {
      const [name = '', data = ''] = event.split('\n')
      yield { name: name.replace(/^event: /, ''), data: data.replace(/^data: /, '') }
    }
  }
}

function stateOf(data: string, options: AdminClientOptions): LiveState {
  try {
    return stateSchema.parse(JSON.parse(data)) as unknown as LiveState
  } catch (cause) {
    throw away(options, 'answered something else than events; it seems not to be a daemon of dcos-stats', cause)
  }
}
