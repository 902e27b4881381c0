import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { pipeline, Readable } from 'node:stream'
import { setImmediate as otherWork } from 'node:timers/promises'
import { prometheusContentType } from '../codec/prometheus-text.js'
import type { MetricList } from '../model/metric-list.js'
import type { Cancel, Clock } from '../platform/clock.js'
import { messageOf } from '../platform/errors.js'
import { formatAddress, type HostPort, isLoopback, type ListenAddress } from '../platform/hosts.js'
import { type Listening, listenAt } from '../platform/listen.js'
import type { Counters } from '../telemetry/counters.js'
import type { Log } from '../telemetry/log.js'
import { createNewestValues, type LeftOut, type NewestValues } from './newest-values.js'
import type { Tap } from './tap.js'

export interface PartnerPrometheusOptions {
  readonly listen: HostPort
  readonly log: Log
  readonly counters: Counters
  readonly clock: Clock
  /** How long a series is shown without a new value; 300,000 unless given. */
  readonly expiryMs?: number
  /** 100,000 unless given. */
  readonly seriesLimit?: number
  readonly onListening?: (address: ListenAddress) => void
}

const sweepsPerExpiry = 10
/** A page can have many megabytes: who does not take it lets go of it. */
const silenceTimeoutMs = 30_000
const connectionLimit = 32

/**
 * Serves the newest value of every series at `/metrics`, for Prometheus or whoever reads its text form. Samples have no timestamps:
 * they are what is known now, and a series that has had no value for `expiryMs` is no longer shown, so that Prometheus
 * sees it end.
 *
 * Bound to a loopback address, it refuses requests whose Host header is another name, so that no web page can reach it.
 * `open` rejects with `DS_PARTNER_PROMETHEUS` where the address cannot be had.
 */
export function createPartnerPrometheus(options: PartnerPrometheusOptions): Tap {
  return new PartnerPrometheus(options)
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly pieces: Iterable<string>
}

class PartnerPrometheus implements Tap {
  readonly name = 'partner-prometheus'
  readonly #options: PartnerPrometheusOptions
  readonly #values: NewestValues
  readonly #server = createServer({ headersTimeout: 5000, requestTimeout: 10_000 }, (request, response) =>
    send(response, request.method, this.#answer(request)),
  )
  #listening: Listening | undefined
  #stops: Cancel[] = []
  #tellsLimit = true
  #tellsCollision = true

  constructor(options: PartnerPrometheusOptions) {
    const { clock, expiryMs = 300_000, seriesLimit = 100_000 } = options
    this.#options = options
    this.#values = createNewestValues({
      clock,
      expiryMs,
      seriesLimit,
      onLeftOut: (reason, datapoints) => this.#leaveOut(reason, datapoints, seriesLimit),
      onCollision: (name, metricName) => this.#tellCollision(name, metricName),
    })
    this.#server.maxConnections = connectionLimit
    this.#server.setTimeout(silenceTimeoutMs)
  }

  async open(): Promise<void> {
    const { listen, log, clock, counters, expiryMs = 300_000, onListening } = this.#options
    this.#listening = await listenAt(
      this.#server,
      { kind: 'tcp', ...listen },
      { option: '--partner-prometheus', errorCode: 'DS_PARTNER_PROMETHEUS' },
    )
    this.#server.on('error', (cause) => log.warn({ cause: messageOf(cause) }, '--partner-prometheus has a problem'))
    this.#stops = [
      clock.every(Math.max(1000, expiryMs / sweepsPerExpiry), () => this.#sweep()),
      counters.onRead(() => counters.set('collector.partner.prometheus_series', this.#values.series)),
    ]
    const address = formatAddress(this.#listening.address)
    log.info({ address: `http://${address}/metrics` }, 'partners can scrape the newest values here')
    if (!isLoopback(listen.host)) log.warn({ address }, 'other nodes can read the metrics too: --partner-prometheus')
    onListening?.(this.#listening.address)
  }

  push(lists: readonly MetricList[]): void {
    this.#values.push(lists)
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop()
    this.#server.closeAllConnections()
    await this.#listening?.close()
  }

  #answer({ headers, method, url = '' }: IncomingMessage): Answer {
    const { listen, counters } = this.#options
    if (isLoopback(listen.host) && isForeign(headers.host ?? '', listen.host)) {
      counters.add('collector.partner.prometheus_requests_refused')
      return text(403, 'The Host header must name the address that --partner-prometheus gives.')
    }
    if (method !== 'GET' && method !== 'HEAD') return text(405, 'Only GET is answered here.')
    if (url.split('?')[0] !== '/metrics') return text(404, 'Nothing here. There is /metrics.')
    counters.add('collector.partner.prometheus_scrapes')
    return { status: 200, type: prometheusContentType, pieces: this.#values.render() }
  }

  #sweep(): void {
    this.#values.sweep()
    this.#tellsLimit = true
  }

  /** The first loss after each sweep has a line; the counter tells how many. */
  #leaveOut(reason: LeftOut, datapoints: number, seriesLimit: number): void {
    const { counters, log } = this.#options
    counters.add('collector.partner.prometheus_left_out', datapoints, reason)
    if (reason !== 'series_limit' || !this.#tellsLimit) return
    this.#tellsLimit = false
    log.warn({ seriesLimit }, 'new series are not shown: there are as many as --partner-prometheus-series-limit allows')
  }

  #tellCollision(name: string, metricName: string): void {
    const { counters, log } = this.#options
    counters.add('collector.partner.prometheus_name_collisions')
    if (!this.#tellsCollision) return
    this.#tellsCollision = false
    log.warn({ name, metricName }, 'names of metrics are the same once legal: the later has the label original_name')
  }
}

/** Whether a Host header means neither this address nor this machine. Programs that send none are no web pages. */
function isForeign(header: string, ownHost: string): boolean {
  const name = header.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
  return name !== '' && name !== ownHost && !isLoopback(name)
}

function text(status: number, line: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', pieces: [`${line}\n`] }
}

function send(response: ServerResponse, method: string | undefined, { status, type, pieces }: Answer): void {
  response.writeHead(status, { 'content-type': type, 'x-content-type-options': 'nosniff' })
  if (method === 'HEAD') response.end()
  // A client that goes away in the middle is nothing to tell.
  else pipeline(Readable.from(inTurns(pieces)), response, () => {})
}

/** Piece by piece, with other work between: a page can have many megabytes. */
async function* inTurns(pieces: Iterable<string>): AsyncGenerator<string> {
  for (const piece of pieces) {
    yield piece
    await otherWork()
  }
}
