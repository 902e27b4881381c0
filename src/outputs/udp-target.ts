import { createSocket, type Socket } from 'node:dgram'
import type { Clock } from '../platform/clock.js'
import { type AddressFamily, type Resolve, type ResolvedAddress, watchHost } from '../platform/dns.js'
import { messageOf, systemCodeOf } from '../platform/errors.js'
import type { Log } from '../telemetry/log.js'

/** What became of what was given to a target. Bytes are those of the datagrams' contents. */
export interface UdpCounts {
  readonly sentDatagrams: number
  readonly sentBytes: number
  readonly sentRows: number
  readonly failedBytes: number
  readonly failedRows: number
}

/** One UDP destination whose address may change. */
export interface UdpTarget {
  /** Sends, or counts as failed: until the host has resolved, and while the kernel takes nothing. Never throws. */
  send(datagram: Uint8Array, rows: number): void
  readonly counts: UdpCounts
  /** Resolves once the first lookup has been answered, or has failed. */
  ready(): Promise<void>
  /** Resolves once the kernel has answered for every datagram so far. */
  flushed(): Promise<void>
  close(): Promise<void>
}

// UDP leaves at once or not at all; this much waiting means that the network has stopped.
const maxQueuedBytes = 4 * 1024 * 1024

/**
 * @param host name or literal address; see `watchHost` for how one of its addresses is chosen
 * @param resolve how names are looked up; the system's way unless given
 */
export function createUdpTarget({
  host,
  port,
  refreshMs,
  log,
  clock,
  random,
  resolve,
}: {
  host: string
  port: number
  refreshMs: number
  log: Log
  clock: Clock
  random?: () => number
  resolve?: Resolve
}): UdpTarget {
  const counts = { sentDatagrams: 0, sentBytes: 0, sentRows: 0, failedBytes: 0, failedRows: 0 }
  const sockets = new Map<AddressFamily, Socket>()
  const toldErrors = new Set<string>()
  let unanswered = 0
  let whenAnswered: (() => void)[] = []
  let resolves = true
  let closed = false

  const watch = watchHost({
    host,
    refreshMs,
    clock,
    ...(random === undefined ? {} : { random }),
    ...(resolve === undefined ? {} : { resolve }),
    onChange: tellAddress,
    onFailure: tellLookupFailure,
  })

  return {
    counts,

    send(datagram, rows) {
      const to = watch.address()
      if (closed || to === undefined) return fail(datagram, rows)
      const socket = socketFor(to.family)
      if (socket.getSendQueueSize() > maxQueuedBytes) return fail(datagram, rows)
      unanswered += 1
      socket.send(datagram, port, to.address, (cause) => {
        if (cause) {
          fail(datagram, rows)
          tellSendFailure(cause)
        } else {
          counts.sentDatagrams += 1
          counts.sentBytes += datagram.length
          counts.sentRows += rows
        }
        answered()
      })
    },

    ready: () => (watch.address() === undefined ? watch.refresh() : Promise.resolve()),

    flushed: () =>
      new Promise((done) => {
        if (unanswered === 0) done()
        else whenAnswered.push(done)
      }),

    async close() {
      await this.flushed()
      closed = true
      watch.close()
      await Promise.all([...sockets.values()].map((socket) => new Promise<void>((done) => socket.close(() => done()))))
      sockets.clear()
    },
  }

  function socketFor(family: AddressFamily): Socket {
    const existing = sockets.get(family)
    if (existing !== undefined) return existing
    // The address is a literal one: dgram's own lookup would only cost a turn of the event loop for each datagram.
    const lookup = (address: string, _options: unknown, callback: LookupCallback) => callback(null, address, family)
    const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', lookup })
    socket.on('error', tellSendFailure)
    // The daemon's inputs keep the process alive; an output alone does not.
    socket.unref()
    sockets.set(family, socket)
    return socket
  }

  function fail(datagram: Uint8Array, rows: number): void {
    counts.failedBytes += datagram.length
    counts.failedRows += rows
  }

  function answered(): void {
    unanswered -= 1
    if (unanswered > 0) return
    for (const done of whenAnswered) done()
    whenAnswered = []
  }

  function tellAddress({ address }: ResolvedAddress): void {
    resolves = true
    log.info({ host, address, port }, 'StatsD is sent to this address')
  }

  function tellLookupFailure(cause: unknown): void {
    const fields = { host, cause: messageOf(cause), address: watch.address()?.address }
    if (watch.address() !== undefined) log.warn(fields, 'the StatsD host does not resolve; its former address is kept')
    else if (resolves)
      log.error(fields, 'the StatsD host does not resolve; what is sent to it is dropped until it does')
    resolves = false
  }

  /** Each kind of failure once: the counts tell how often. */
  function tellSendFailure(cause: Error): void {
    const kind = systemCodeOf(cause) ?? cause.message
    if (toldErrors.has(kind)) return
    toldErrors.add(kind)
    log.error({ host, port, cause: messageOf(cause) }, 'a StatsD packet could not be sent; further ones are counted')
  }
}

type LookupCallback = (error: NodeJS.ErrnoException | null, address: string, family: number) => void
