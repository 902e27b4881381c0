import dgram, { type Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import type { Clock } from '../platform/clock.js'

/** Fits into one Ethernet frame with IPv6: a datagram that is cut into pieces is lost with any of them. */
const DATAGRAM_BYTES = 1432
/** The name is looked up again after this time, because UDP never tells that a peer has moved. */
const RESOLVE_MS = 60_000

const NEWLINE = 0x0a

/**
 * Lines to carbon by UDP, as many in a datagram as fit. UDP confirms nothing; a peer that is away is known only where the
 * system tells that nobody listens on the port.
 */
export class CarbonDatagrams {
  readonly #host: string
  readonly #port: number
  readonly #clock: Clock
  #socket: Socket | undefined
  #openedMs = 0
  #fault: Error | undefined

  constructor({ host, port, clock }: { host: string; port: number; clock: Clock }) {
    this.#host = host
    this.#port = port
    this.#clock = clock
  }

  /** Rejects where the name has no address. */
  async connect(): Promise<void> {
    const known = this.#socket
    if (known !== undefined && this.#clock.monotonicMs() - this.#openedMs < RESOLVE_MS) return
    const { address } = await lookup(this.#host)
    await this.close()
    const socket = dgram.createSocket(isIPv6(address) ? 'udp6' : 'udp4')
    socket.on('error', (cause) => {
      this.#fault = cause
    })
    socket.connect(this.#port, address)
    await once(socket, 'connect')
    this.#fault = undefined
    this.#socket = socket
    this.#openedMs = this.#clock.monotonicMs()
  }

  /** @param lines each with its newline */
  async send(lines: Buffer, signal: AbortSignal): Promise<void> {
    await this.connect()
    for (const datagram of datagrams(lines)) {
      if (signal.aborted) throw new Error('The lines were not all sent before the process had to end.')
      if (this.#fault === undefined) await this.#sendOne(datagram)
      if (this.#fault !== undefined) break
    }
    // That nobody listens is told by the system after the send: give it the chance.
    await new Promise((resolve) => setImmediate(resolve))
    if (this.#fault !== undefined) throw await this.#givenUp(this.#fault)
  }

  async close(): Promise<void> {
    const socket = this.#socket
    this.#socket = undefined
    if (socket === undefined) return
    socket.close()
    await once(socket, 'close')
  }

  #sendOne(datagram: Buffer): Promise<void> {
    return new Promise((resolve) => {
      this.#socket?.send(datagram, (cause) => {
        if (cause !== null) this.#fault = cause
        resolve()
      })
    })
  }

  async #givenUp(fault: Error): Promise<Error> {
    await this.close()
    return fault
  }
}

/** Whole lines, together up to DATAGRAM_BYTES; a longer line goes alone. */
export function* datagrams(lines: Buffer): Generator<Buffer> {
  let start = 0
  while (start < lines.length) {
    let end = lines.length
    if (end - start > DATAGRAM_BYTES) {
      end = lines.lastIndexOf(NEWLINE, start + DATAGRAM_BYTES - 1) + 1
      if (end <= start) end = lines.indexOf(NEWLINE, start) + 1 || lines.length
    }
    yield lines.subarray(start, end)
    start = end
  }
}
