import type { collectorOptions } from '../options/collector.js'
import type { Parsed } from '../options/option.js'
import { createPartnerListen } from '../outputs/partner-listen.js'
import { createPartnerPrometheus } from '../outputs/partner-prometheus.js'
import { createPartnerStatsd } from '../outputs/partner-statsd.js'
import { createPartnerTap } from '../outputs/partner-tap.js'
import type { Tap } from '../outputs/tap.js'
import type { Daemon } from './daemon.js'

/** The partner agents that the options name, as one tap; undefined where they name none. */
export function createPartners(options: Parsed<typeof collectorOptions>, daemon: Daemon): Tap | undefined {
  const { log, counters, clock } = daemon
  const { partnerListen, partnerStatsd, partnerPrometheus } = options
  const partners: Tap[] = []
  if (partnerListen !== undefined) {
    const socketMode = options.partnerListenSocketMode
    const bufferLimitBytes = options.partnerListenBufferKbytes * 1024
    partners.push(createPartnerListen({ listen: partnerListen, socketMode, bufferLimitBytes, log, counters, clock }))
  }
  if (partnerStatsd !== undefined) {
    const datagramBytes = options.partnerStatsdDatagramBytes
    partners.push(createPartnerStatsd({ ...partnerStatsd, datagramBytes, log, counters, clock }))
  }
  if (partnerPrometheus !== undefined) {
    const expiryMs = options.partnerPrometheusExpiry * 1000
    const seriesLimit = options.partnerPrometheusSeriesLimit
    partners.push(createPartnerPrometheus({ listen: partnerPrometheus, expiryMs, seriesLimit, log, counters, clock }))
  }
  return partners.length === 0 ? undefined : createPartnerTap({ partners, counters, clock })
}
