import { connect, type Socket } from 'node:net'
import { messageOf, StatsError } from '../platform/errors.js'
import { endGently } from './end-gently.js'

// A dead peer's host is noticed by the kernel after this silence and nine probes.
const keepAliveAfterMs = 30_000

/** Why a collector cannot be used, as an error that says where it was looked for. */
export type Gone = (why: string, cause?: unknown) => StatsError

/** One connection to a collector, from the first byte to the last. */
export interface CollectorConnection {
  /** False as soon as it was given up, or the collector has ended it. */
  readonly usable: boolean
  /**
   * Resolves once the kernel has taken every byte; the next call has to wait for that.
   * Rejects where the connection breaks, where the collector takes nothing for `writeTimeoutMs`, and when `signal` is aborted;
   * then it is to be given up, because nobody knows what was taken.
   */
  send(pieces: readonly Uint8Array[], signal: AbortSignal): Promise<void>
  giveUp(): void
  /** After the last byte. */
  close(): Promise<void>
}

/**
 * @param connectTimeoutMs how long the attempt may take
 * @param onLost told once, where it was neither given up nor closed
 */
export async function connectToCollector({
  host,
  port,
  connectTimeoutMs,
  writeTimeoutMs,
  signal,
  gone,
  onLost,
}: {
  host: string
  port: number
  connectTimeoutMs: number
  writeTimeoutMs: number
  signal: AbortSignal
  gone: Gone
  onLost: (reason: string) => void
}): Promise<CollectorConnection> {
  const socket = await openSocket({ host, port, timeoutMs: connectTimeoutMs, signal, gone })
  return new Connection(socket, writeTimeoutMs, gone, onLost)
}

interface PendingWrite {
  readonly resolve: () => void
  readonly reject: (cause: Error) => void
}

/** Everything that can end a write is listened to once: doing so for each write would cost as much as writing. */
class Connection implements CollectorConnection {
  readonly #socket: Socket
  readonly #gone: Gone
  readonly #onLost: (reason: string) => void
  #signal: AbortSignal | undefined
  #pending: PendingWrite | undefined
  #usable = true

  constructor(socket: Socket, writeTimeoutMs: number, gone: Gone, onLost: (reason: string) => void) {
    this.#socket = socket
    this.#gone = gone
    this.#onLost = onLost
    // Reads, because only so the peer's end is seen; the collector sends nothing that would matter.
    socket.resume()
    socket.on('error', (cause) => this.#lose(messageOf(cause)))
    socket.once('end', () => this.#lose('the collector closed the connection'))
    socket.once('close', () => this.#lose('the connection was closed'))
    // Node starts this timer again at each write, and whenever the kernel has taken some of the bytes.
    socket.setTimeout(writeTimeoutMs, () => this.#fail(`the collector took nothing for ${writeTimeoutMs} ms`))
  }

  get usable(): boolean {
    return this.#usable
  }

  send(pieces: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject }
      this.#follow(signal)
      if (signal.aborted) return this.#onAbort()
      if (pieces.length > 1) this.#socket.cork()
      for (let at = 0; at < pieces.length - 1; at++) this.#socket.write(pieces[at]!)
      this.#socket.write(pieces.at(-1)!, this.#onWritten)
      if (pieces.length > 1) this.#socket.uncork()
    })
  }

  giveUp(): void {
    this.#leave()
    this.#socket.destroy()
  }

  async close(): Promise<void> {
    this.#leave()
    await endGently(this.#socket)
  }

  readonly #onWritten = (cause?: Error | null) => {
    const pending = this.#pending
    this.#pending = undefined
    if (cause) pending?.reject(cause)
    else pending?.resolve()
  }

  readonly #onAbort = () => this.#fail('the process is ending')

  /** The writes of a sink nearly always have the same signal. */
  #follow(signal: AbortSignal): void {
    if (signal === this.#signal) return
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#signal = signal
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  #lose(reason: string): void {
    const wasUsable = this.#usable
    this.#leave()
    this.#socket.destroy()
    this.#fail(`the connection broke while a block was being sent: ${reason}`)
    if (wasUsable) this.#onLost(reason)
  }

  #fail(why: string): void {
    const pending = this.#pending
    this.#pending = undefined
    pending?.reject(this.#gone(why))
  }

  #leave(): void {
    this.#usable = false
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }
}

function openSocket({
  host,
  port,
  timeoutMs,
  signal,
  gone,
}: {
  host: string
  port: number
  timeoutMs: number
  signal: AbortSignal
  gone: Gone
}): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveAfterMs })
    const fail = (cause: unknown) => {
      end()
      // A late error of a socket that was given up must not be an unhandled one.
      socket.on('error', () => {}).destroy()
      reject(cause instanceof StatsError ? cause : gone(messageOf(cause), cause))
    }
    const onAbort = () => fail(gone('the process is ending'))
    const timer = setTimeout(() => fail(gone(`no answer within ${timeoutMs} ms`)), timeoutMs)
    const end = () => {
      clearTimeout(timer)
      socket.off('error', fail)
      signal.removeEventListener('abort', onAbort)
    }
    socket.once('error', fail)
    socket.once('connect', () => {
      end()
      resolve(socket)
    })
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
}
