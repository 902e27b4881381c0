import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { Clock } from '../platform/clock.js'
import { type ResolvedAddress, watchHost } from '../platform/dns.js'
import { messageOf, systemCodeOf } from '../platform/errors.js'
import type { HostPort } from '../platform/hosts.js'
import type { Log } from '../telemetry/log.js'

/** A StatsD endpoint that packets are sent to. */
export interface EmitTarget {
  /** Sends, or counts as failed; never throws. */
  send(packet: string): void
  /** Resolves once the kernel has answered for every packet so far. */
  flushed(): Promise<void>
  readonly counts: EmitCounts
  close(): Promise<void>
}

export interface EmitCounts {
  readonly sentPackets: number
  readonly sentBytes: number
  /** Those that the kernel did not take, and those that it says were refused: of these it does not tell all. */
  readonly failedPackets: number
  readonly failedBytes: number
}

const REFRESH_MS = 60_000

/**
 * A connected socket, as the reference's emitter has: where nobody listens, the kernel tells at the next packet, which one that is
 * not connected would never know. A name is looked up each minute, and its new address taken.
 *
 * Resolves once the first lookup has been answered, or has failed.
 */
export async function openEmitTarget({
  host,
  port,
  clock,
  log,
}: HostPort & { readonly clock: Clock; readonly log: Log }): Promise<EmitTarget> {
  const counts = { sentPackets: 0, sentBytes: 0, failedPackets: 0, failedBytes: 0 }
  const told = new Set<string>()
  let socket: Socket | undefined
  let opening = Promise.resolve()
  let lastBytes = 0
  let unanswered = 0
  let whenAnswered: (() => void)[] = []

  const use = (chosen: ResolvedAddress): void => {
    opening = opening.then(() => replaceSocket(chosen)).catch(tell)
  }
  const watch = watchHost({ host, refreshMs: REFRESH_MS, clock, onChange: use, onFailure: tell })
  const literal = watch.address()
  if (literal === undefined) await watch.refresh()
  else use(literal)
  await opening

  return {
    counts,
    send(packet) {
      const bytes = Buffer.from(packet)
      if (socket === undefined) return fail(bytes.length)
      unanswered++
      socket.send(bytes, (cause) => {
        if (cause) {
          fail(bytes.length)
          tellOfEarlier(cause)
        } else {
          counts.sentPackets++
          counts.sentBytes += bytes.length
          lastBytes = bytes.length
        }
        answered()
      })
    },
    flushed,
    async close() {
      watch.close()
      await opening
      await flushed()
      await closed(socket)
    },
  }

  function flushed(): Promise<void> {
    return unanswered === 0 ? Promise.resolve() : new Promise((done) => void whenAnswered.push(done))
  }

  async function replaceSocket({ address, family }: ResolvedAddress): Promise<void> {
    const next = createSocket(family === 4 ? 'udp4' : 'udp6')
    next.connect(port, address)
    await once(next, 'connect')
    next.on('error', tellOfEarlier)
    const before = socket
    socket = next
    await closed(before)
  }

  /** That nobody listens the kernel says of a packet that it had taken. */
  function tellOfEarlier(cause: Error): void {
    tell(cause)
    if (systemCodeOf(cause) !== 'ECONNREFUSED' || counts.sentPackets === 0) return
    counts.sentPackets--
    counts.sentBytes -= lastBytes
    fail(lastBytes)
  }

  function fail(bytes: number): void {
    counts.failedPackets++
    counts.failedBytes += bytes
  }

  function answered(): void {
    if (--unanswered > 0) return
    for (const done of whenAnswered) done()
    whenAnswered = []
  }

  /** Each kind of failure once: the counts tell how often. */
  function tell(cause: unknown): void {
    const kind = systemCodeOf(cause) ?? messageOf(cause)
    if (told.has(kind)) return
    told.add(kind)
    const text =
      kind === 'ECONNREFUSED'
        ? 'nobody listens there; sending goes on, and what is refused is counted'
        : 'a packet could not be sent; sending goes on, and further ones are counted'
    log.warn({ host, port, cause: messageOf(cause) }, text)
  }
}

function closed(socket: Socket | undefined): Promise<void> {
  return new Promise((done) => (socket === undefined ? done() : socket.close(() => done())))
}
