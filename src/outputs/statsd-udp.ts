import type { Owner } from '../containers/endpoint.js'
import { type Cancel, type Clock, systemClock } from '../platform/clock.js'
import type { Resolve } from '../platform/dns.js'
import { type AnnotationMode, createAnnotation } from '../tagging/statsd-annotation.js'
import type { Counters } from '../telemetry/counters.js'
import { type Log, silentLog } from '../telemetry/log.js'
import { createDatagramPacker } from './datagram-packer.js'
import { createUdpTarget, type UdpCounts } from './udp-target.js'

/** What UDP over IPv4 carries at most. */
const maxDatagramBytes = 65_507
const maxAgeMs = 1000
// Rows of containers that the agent has not named yet; more than this goes on as unknown at once.
const maxHeldBytes = 4 * 1024 * 1024

/** Passes the rows of containers on as StatsD, annotated: the proxy's --output-statsd-*. */
export interface StatsdOutput {
  /** Takes the row `packet[start, end)`, without its line end; the packet may be used again afterwards. Never throws. */
  send(owner: Owner, packet: Uint8Array, start: number, end: number): void
  readonly counts: UdpCounts
  /** Sends what waits, and resolves once the kernel has it. */
  close(): Promise<void>
}

export interface StatsdOutputOptions {
  readonly host: string
  readonly port: number
  readonly refreshMs: number
  readonly annotationMode: AnnotationMode
  /** Size that datagrams stay below; 0 for a datagram a row. */
  readonly chunkSizeBytes: number
  /** How long rows of a container wait for the agent to name it. */
  readonly unknownHoldMs: number
  /** Who a container is by now; asked when its rows have waited long enough. */
  readonly ownerOf: (containerId: string) => Owner
  readonly log: Log
  readonly counters: Counters
  readonly clock?: Clock
  readonly random?: () => number
  readonly resolve?: Resolve
}

interface HeldRows {
  readonly rows: Uint8Array[]
  bytes: number
  readonly cancel: Cancel
}

export function createStatsdOutput(options: StatsdOutputOptions): StatsdOutput {
  const { annotationMode, chunkSizeBytes, unknownHoldMs, ownerOf, counters, clock = systemClock } = options
  const target = createUdpTarget({ ...options, clock })
  const packer = createDatagramPacker({ limitBytes: chunkSizeBytes, maxAgeMs, clock, send: target.send })
  const annotate = createAnnotation(annotationMode)
  const heldByContainer = new Map<string, HeldRows>()
  let heldBytes = 0
  const stopCounting = counters.onRead(count)

  return {
    counts: target.counts,

    send(owner, packet, start, end) {
      if (owner.status === 'pending' && annotationMode !== 'none' && heldBytes < maxHeldBytes) {
        hold(owner.containerId, packet, start, end)
        return
      }
      // The rows that waited for this container's name were there before this one.
      if (heldByContainer.size > 0 && owner.status === 'known') release(owner.identity.containerId, owner)
      pass(owner, packet, start, end)
    },

    async close() {
      for (const containerId of [...heldByContainer.keys()]) release(containerId, ownerOf(containerId))
      packer.flush()
      await target.close()
      count()
      stopCounting()
    },
  }

  function pass(owner: Owner, packet: Uint8Array, start: number, end: number): void {
    const insertion = annotate(owner.status === 'known' ? owner.identity : undefined, packet, start, end)
    // R38: a row that no longer fits into a datagram is worth more without its annotation than not at all.
    const fits = insertion !== undefined && end - start + insertion.bytes.length <= maxDatagramBytes
    if (fits) packer.add(packet, start, end, insertion.bytes, insertion.at)
    else packer.add(packet, start, end)
  }

  function hold(containerId: string, packet: Uint8Array, start: number, end: number): void {
    let held = heldByContainer.get(containerId)
    if (held === undefined) {
      const cancel = clock.after(unknownHoldMs, () => release(containerId, ownerOf(containerId)))
      held = { rows: [], bytes: 0, cancel }
      heldByContainer.set(containerId, held)
    }
    // A Buffer's own slice would share the memory that the input is about to use again.
    held.rows.push(Uint8Array.prototype.slice.call(packet, start, end))
    held.bytes += end - start
    heldBytes += end - start
  }

  function release(containerId: string, owner: Owner): void {
    const held = heldByContainer.get(containerId)
    if (held === undefined) return
    held.cancel()
    heldByContainer.delete(containerId)
    heldBytes -= held.bytes
    for (const row of held.rows) pass(owner, row, 0, row.length)
  }

  function count(): void {
    const { sentDatagrams, sentBytes, sentRows, failedBytes, failedRows } = target.counts
    counters.set('proxy.statsd_out_packets', sentDatagrams)
    counters.set('proxy.statsd_out_bytes', sentBytes)
    counters.set('proxy.statsd_out_rows', sentRows)
    counters.set('proxy.statsd_out_dropped_bytes', failedBytes)
    counters.set('proxy.statsd_out_dropped_rows', failedRows)
  }
}

/** Sends StatsD lines of our own: what `emit statsd` and a daemon's own metrics use. */
export interface StatsdSender {
  /** Packs a line, given without its line end; it leaves when the packet is full or `maxAgeMs` old. */
  send(line: string | Uint8Array): void
  /** Sends what waits, and resolves once the kernel has answered for it: only then `counts` are complete. */
  flush(): Promise<void>
  readonly counts: UdpCounts
  /** Resolves once the host has been looked up for the first time; before that lines count as failed. */
  ready(): Promise<void>
  close(): Promise<void>
}

/**
 * @param limitBytes size that datagrams stay below; 0 for a datagram a line
 * @param refreshMs how often a host name is looked up again
 */
export function createStatsdSender({
  host,
  port,
  limitBytes = 512,
  maxAgeMs: ageMs = maxAgeMs,
  refreshMs = 60_000,
  log = silentLog,
  clock = systemClock,
  resolve,
}: {
  host: string
  port: number
  limitBytes?: number
  maxAgeMs?: number
  refreshMs?: number
  log?: Log
  clock?: Clock
  resolve?: Resolve
}): StatsdSender {
  const target = createUdpTarget({ host, port, refreshMs, log, clock, ...(resolve === undefined ? {} : { resolve }) })
  const packer = createDatagramPacker({ limitBytes, maxAgeMs: ageMs, clock, send: target.send })
  return {
    counts: target.counts,
    send(line) {
      const bytes = typeof line === 'string' ? Buffer.from(line) : line
      packer.add(bytes, 0, bytes.length)
    },
    async flush() {
      packer.flush()
      await target.flushed()
    },
    ready: () => target.ready(),
    async close() {
      packer.flush()
      await target.close()
    },
  }
}
