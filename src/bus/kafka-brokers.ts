import { resolveSrv } from 'node:dns/promises'
import type { Backoff } from '../platform/backoff.js'
import { type Clock, systemClock } from '../platform/clock.js'
import { messageOf, StatsError } from '../platform/errors.js'
import type { Telemetry } from '../telemetry/telemetry.js'

/** The brokers of a DC/OS Kafka framework, found by the framework's name. */
export interface BrokerLookup {
  /** Name of the framework in Marathon; kafka unless it was installed under another one. */
  readonly framework: string
  readonly resolver?: SrvResolver
  readonly fetch?: FetchText
}

/** The part of `dns.promises.Resolver` that is used. */
export interface SrvResolver {
  resolveSrv(name: string): Promise<readonly { readonly name: string; readonly port: number }[]>
}

/** GETs a URL; rejects where nobody answers. */
export type FetchText = (
  url: string,
  signal: AbortSignal,
) => Promise<{ readonly status: number; readonly text: string }>

const lookupTimeoutMs = 5_000
const maxReplyChars = 1_000_000

/**
 * Asks once: SRV `_<framework>._tcp.marathon.mesos` for the port of the framework's scheduler, then
 * `http://<framework>.mesos:<port>/v1/connection` for its list `dns` of `host:port` (R74).
 *
 * @throws StatsError DS_BUS_LOOKUP that says which step failed and what it got
 */
export async function lookupBrokers({
  framework,
  resolver = { resolveSrv },
  fetch = fetchText,
}: BrokerLookup): Promise<string[]> {
  const url = `http://${framework}.mesos:${await schedulerPort(framework, resolver)}/v1/connection`
  return brokersOfReply(url, await getReply(url, fetch))
}

/**
 * Asks until there is an answer, telling each failure. Resolves with an empty list only when `signal` is aborted.
 */
export async function waitForBrokers(
  lookup: BrokerLookup,
  telemetry: Pick<Telemetry, 'log' | 'counters'>,
  signal: AbortSignal,
  { backoff, clock = systemClock }: { backoff: Backoff; clock?: Clock },
): Promise<string[]> {
  while (!signal.aborted) {
    try {
      return await lookupBrokers(lookup)
    } catch (error) {
      const waitMs = Math.round(backoff.nextMs())
      telemetry.counters.add('bus.lookup_failures', 1, lookup.framework)
      telemetry.log.warn({ framework: lookup.framework, waitMs }, messageOf(error))
      await clock.sleep(waitMs, signal)
    }
  }
  return []
}

async function schedulerPort(framework: string, resolver: SrvResolver): Promise<number> {
  const name = `_${framework}._tcp.marathon.mesos`
  try {
    const [first] = await resolver.resolveSrv(name)
    if (first !== undefined) return first.port
  } catch (cause) {
    const message = `Cannot find Kafka's framework: no SRV record ${name} (${messageOf(cause)}).`
    throw lookupError(`${message} Check --kafka-framework, or give --kafka-brokers.`, cause)
  }
  throw lookupError(`The SRV record ${name} is empty. Check --kafka-framework, or give --kafka-brokers.`)
}

async function getReply(url: string, fetch: FetchText): Promise<string> {
  const timeout = AbortSignal.timeout(lookupTimeoutMs)
  const reply = await fetch(url, timeout).catch((cause: unknown) => {
    const why = timeout.aborted ? `no answer within ${lookupTimeoutMs} ms` : messageOf(rootCause(cause))
    throw lookupError(`Cannot ask ${url} for Kafka's brokers: ${why}.`, cause)
  })
  if (reply.status === 200) return reply.text
  throw lookupError(`Asked ${url} for Kafka's brokers and got status ${reply.status} instead of 200.`)
}

function brokersOfReply(url: string, text: string): string[] {
  const { dns } = (parseJson(text) ?? {}) as { dns?: unknown }
  const brokers = Array.isArray(dns) ? dns.filter(isAddress) : []
  if (brokers.length > 0) return brokers
  const got = text.length > 200 ? `${text.slice(0, 200)}...` : text
  throw lookupError(`Expected a JSON object with a list "dns" of host:port from ${url}, got: ${got}`)
}

function isAddress(value: unknown): value is string {
  return typeof value === 'string' && /^[^:\s]+:\d{1,5}$/.test(value)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const fetchText: FetchText = async (url, signal) => {
  const response = await globalThis.fetch(url, { signal, redirect: 'error' })
  const text = await response.text()
  return { status: response.status, text: text.slice(0, maxReplyChars) }
}

// Node's fetch says "fetch failed" and hides the socket's words in the cause.
function rootCause(thrown: unknown): unknown {
  return thrown instanceof Error && thrown.cause !== undefined ? rootCause(thrown.cause) : thrown
}

function lookupError(message: string, cause?: unknown): StatsError {
  return new StatsError('DS_BUS_LOOKUP', message, { cause })
}
