import { forEachDatapoint } from '../codec/datapoints.js'
import { dogstatsdGauge, dogstatsdName, dogstatsdTags } from '../codec/dogstatsd-line.js'
import type { MetricList, Tag } from '../model/metric-list.js'
import type { Clock } from '../platform/clock.js'
import type { Resolve } from '../platform/dns.js'
import type { Counters } from '../telemetry/counters.js'
import type { Log } from '../telemetry/log.js'
import { createStatsdSender, type StatsdSender } from './statsd-udp.js'
import type { Tap } from './tap.js'

/** Ethernet's 1,500 bytes less the headers of IPv6 and UDP, and room for a tunnel's. */
const usualDatagramBytes = 1432

export interface PartnerStatsdOptions {
  readonly host: string
  readonly port: number
  readonly log: Log
  readonly counters: Counters
  readonly clock: Clock
  /** What a datagram may hold; 1,432 unless given. */
  readonly datagramBytes?: number
  readonly resolve?: Resolve
}

/**
 * Sends every datapoint as a gauge of DogStatsD with its tags, many in a datagram, none older than a second. The gauge's
 * time is that of its arrival. Left out and counted: NaN and infinities (the protocol has none), and lines that are longer than
 * a datagram may be.
 */
export function createPartnerStatsd({ counters, ...options }: PartnerStatsdOptions): Tap {
  const { datagramBytes = usualDatagramBytes } = options
  const tagSections = new WeakMap<readonly Tag[], string>()
  const notFinite = counters.cell('collector.partner.statsd_left_out', 'not_finite')
  const tooLong = counters.cell('collector.partner.statsd_left_out', 'too_long')
  const undecodable = counters.cell('collector.partner.statsd_left_out', 'undecodable')
  let sender: StatsdSender | undefined
  let stopCounting = () => {}

  return {
    name: 'partner-statsd',

    async open() {
      // A packer's datagrams stay below its limit.
      const opened = createStatsdSender({ ...options, limitBytes: datagramBytes + 1 })
      sender = opened
      const stop = counters.onRead(() => count(opened))
      stopCounting = () => {
        count(opened)
        stop()
      }
    },

    push(lists) {
      for (const list of lists) pushList(list)
    },

    async close() {
      await sender?.close()
      stopCounting()
    },
  }

  function pushList({ tags, datapoints }: MetricList): void {
    const section = sectionOf(tags)
    const read = forEachDatapoint(datapoints, (name, _timeMs, value) => {
      if (Number.isFinite(value)) send(Buffer.from(dogstatsdGauge(dogstatsdName(name), value, section)))
      else notFinite.value += 1
    })
    undecodable.value += datapoints.count - read
  }

  function send(line: Buffer): void {
    if (line.length > datagramBytes) tooLong.value += 1
    else sender?.send(line)
  }

  function sectionOf(tags: readonly Tag[]): string {
    let section = tagSections.get(tags)
    if (section === undefined) {
      section = dogstatsdTags(tags)
      tagSections.set(tags, section)
    }
    return section
  }

  function count({ counts }: StatsdSender): void {
    counters.set('collector.partner.statsd_packets', counts.sentDatagrams)
    counters.set('collector.partner.statsd_bytes', counts.sentBytes)
    counters.set('collector.partner.statsd_datapoints', counts.sentRows)
    counters.set('collector.partner.statsd_datapoints_failed', counts.failedRows)
  }
}
