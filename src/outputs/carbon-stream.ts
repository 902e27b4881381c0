import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Clock } from '../platform/clock.js'
import { messageOf } from '../platform/errors.js'
import type { Log } from '../telemetry/log.js'
import { createUnconfirmedTail, type UnconfirmedTail } from './unconfirmed-tail.js'

export interface CarbonStreamOptions {
  readonly host: string
  readonly port: number
  readonly clock: Clock
  readonly log: Log
  /** For connecting, and for the peer to take what was written; 30,000 unless given. */
  readonly timeoutMs?: number
}

/** How long `close` waits for carbon to have read everything. */
const FAREWELL_MS = 2000

/**
 * A TCP connection to a peer that takes bytes and never says anything.
 *
 * When it breaks, what the peer may not have read (see UnconfirmedTail) is written again, before anything else, on the next
 * connection: at once where the peer takes one, else with the next `send`. Carbon keeps one value for a path and a
 * second, so lines that come twice do no harm.
 */
export class CarbonStream {
  readonly #options: CarbonStreamOptions
  readonly #tail: UnconfirmedTail
  readonly #background = new AbortController()
  #socket: Socket | undefined
  #connecting: Promise<Socket> | undefined
  #lastFault: Error | undefined
  /** One try between two sends, so that a peer that closes every connection does not keep us busy. */
  #mayReconnect = false

  constructor(options: CarbonStreamOptions) {
    this.#options = options
    this.#tail = createUnconfirmedTail({ nowMs: () => options.clock.monotonicMs() })
  }

  /** Connects where there is no connection, and writes again what is unconfirmed. Rejects where that fails. */
  async connect(signal: AbortSignal): Promise<void> {
    await this.#connected(signal)
  }

  /** Resolves when the system took everything; where it rejects, nothing of `bytes` counts as sent. */
  async send(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const socket = await this.#connected(signal)
    this.#mayReconnect = true
    await this.#take(socket, [bytes], signal, () => this.#tail.add(bytes))
  }

  /** Ends the connection so that the peer reads to the end; once more where it did not. */
  async close(): Promise<void> {
    this.#mayReconnect = false
    const farewell = AbortSignal.timeout(FAREWELL_MS)
    farewell.addEventListener('abort', () => this.#background.abort(), { once: true })
    await this.#connecting?.catch(() => {})
    if (this.#socket !== undefined && (await this.#end(this.#socket, farewell))) return
    if (this.#tail.chunks().length === 0) return
    try {
      if (await this.#end(await this.#connected(farewell), farewell)) return
      this.#tellLost(this.#lastFault ?? new Error(`${this.#peer} did not end the connection`))
    } catch (cause) {
      this.#tellLost(cause)
    }
  }

  #tellLost(cause: unknown): void {
    const lost = { peer: this.#peer, bytes: sizeOf(this.#tail.chunks()), cause: messageOf(cause) }
    this.#options.log.error(lost, 'the last lines may not have been read')
  }

  get #peer(): string {
    return `${this.#options.host}:${this.#options.port}`
  }

  get #closedByPeer(): Error {
    return this.#lastFault ?? new Error(`${this.#peer} closed the connection`)
  }

  #connected(signal: AbortSignal): Promise<Socket> {
    // A socket that broke tells so only after its 'close' event, which comes later than the answer to a write.
    if (this.#socket !== undefined && !this.#socket.destroyed) return Promise.resolve(this.#socket)
    this.#connecting ??= this.#connectAnew(signal).finally(() => {
      this.#connecting = undefined
    })
    return this.#connecting
  }

  async #connectAnew(signal: AbortSignal): Promise<Socket> {
    const socket = await this.#dial(signal)
    const unconfirmed = this.#tail.chunks()
    if (unconfirmed.length > 0) {
      const again = { peer: this.#peer, bytes: sizeOf(unconfirmed) }
      this.#options.log.warn(again, 'connected again: what may not have been read is sent once more')
      await this.#take(socket, unconfirmed, signal)
    }
    if (socket.destroyed) throw this.#closedByPeer
    this.#socket = socket
    return socket
  }

  async #dial(signal: AbortSignal): Promise<Socket> {
    const { host, port } = this.#options
    this.#lastFault = undefined
    const socket = connect({ host, port, noDelay: true, keepAlive: true })
    socket.on('error', (cause) => {
      this.#lastFault = cause
    })
    // Carbon sends nothing; without a reader its end of the connection would go unnoticed.
    socket.resume()
    socket.once('close', () => this.#lost(socket))
    await this.#inTime(socket, once(socket, 'connect'), signal, `${this.#peer} did not take the connection`)
    return socket
  }

  /** Resolves when the system has taken all of `chunks`. */
  async #take(
    socket: Socket,
    chunks: readonly Uint8Array[],
    signal: AbortSignal,
    onTaken: () => void = () => {},
  ): Promise<void> {
    const taken = new Promise<void>((resolve, reject) => {
      const last = chunks.length - 1
      socket.cork()
      chunks.forEach((chunk, at) => {
        socket.write(chunk, (cause) => {
          // Node answers a write without a cause when the socket was destroyed under it.
          if (cause || socket.destroyed) return reject(this.#closedByPeer)
          if (at < last) return
          onTaken()
          resolve()
        })
      })
      socket.uncork()
    })
    await this.#inTime(socket, taken, signal, `${this.#peer} does not read`)
  }

  /** Ends the socket and rejects where the signal or the timeout comes before `work`. */
  #inTime(socket: Socket, work: Promise<unknown>, signal: AbortSignal, late: string): Promise<void> {
    const { clock, timeoutMs = 30_000 } = this.#options
    return new Promise((resolve, reject) => {
      const giveUp = (why: string) => {
        reject(new Error(`${late} ${why}`))
        socket.destroy()
      }
      const onAbort = () => giveUp('before the process had to end')
      const cancel = clock.after(timeoutMs, () => giveUp(`within ${timeoutMs} ms`))
      const settle = () => {
        cancel()
        signal.removeEventListener('abort', onAbort)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      work.finally(settle).then(() => resolve(), reject)
      if (signal.aborted) onAbort()
    })
  }

  #lost(socket: Socket): void {
    if (this.#socket !== socket) return
    this.#socket = undefined
    if (!this.#mayReconnect || this.#tail.chunks().length === 0) return
    this.#mayReconnect = false
    this.#connected(this.#background.signal).catch(() => {})
  }

  /** True where the peer ended its side after ours without a fault: a peer that goes before it has read everything resets. */
  #end(socket: Socket, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const giveUp = () => socket.destroy()
      let peerEnded = false
      socket.once('end', () => {
        peerEnded = true
      })
      socket.once('close', (hadError) => {
        signal.removeEventListener('abort', giveUp)
        const allRead = peerEnded && !hadError
        if (allRead) this.#tail.clear()
        resolve(allRead)
      })
      signal.addEventListener('abort', giveUp, { once: true })
      if (signal.aborted) giveUp()
      else socket.end()
    })
  }
}

function sizeOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0)
}
