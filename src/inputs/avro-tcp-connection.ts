import type { Socket } from 'node:net'
import { createOcfReader, type OcfReader } from '../codec/avro-ocf.js'
import { createListJoiner, type ListJoiner } from '../codec/list-joiner.js'
import { countDatapoints, type MetricList } from '../model/metric-list.js'
import { messageOf } from '../platform/errors.js'
import { type ByteLimiter, createByteLimiter } from '../platform/limiter.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import type { AvroTcpCounters } from './avro-tcp-counters.js'
import type { Emit } from './source.js'

/** What all connections of a source share. */
export interface ConnectionContext {
  readonly emit: Emit
  readonly telemetry: Telemetry
  readonly counters: AvroTcpCounters
  readonly limitBytes: number
  /** Tells that a connection ended because of what came over it; one call a connection at most. */
  readonly onFault: (fields: { address: string; cause: string; undecodedBytes: number }) => void
  /** Sees every piece, and every list that is passed on or dropped. */
  readonly onPiece?: (address: string, bytes: Uint8Array) => void
  readonly onLists?: (address: string, lists: readonly MetricList[]) => void
}

/** What a connection brought in the period that is ending. */
export interface ConnectionSummary {
  readonly address: string
  readonly lists: number
  readonly datapoints: number
  readonly bytes: number
  readonly throttledDatapoints: number
  readonly throttledBytes: number
}

/** A peer that vanished without a word is noticed after a few of these. */
const keepAliveMs = 60_000

/**
 * One sender. Its socket is paused while `emit` has no room, so that the sender feels it; besides the lists on their way
 * nothing is kept but the block that is still coming in. Nothing is ever written to the socket.
 */
export class AvroTcpConnection {
  /** Resolves when the socket is closed and everything that came over it has been emitted. */
  readonly closed: Promise<void>
  readonly #socket: Socket
  readonly #context: ConnectionContext
  readonly #address: string
  readonly #reader: OcfReader = createOcfReader()
  readonly #joiner: ListJoiner | undefined
  readonly #limiter: ByteLimiter
  #work: Promise<void> = Promise.resolve()
  #stopping = false
  #receivedAnything = false
  #socketError: Error | undefined
  #lists = 0
  #datapoints = 0
  #throttledDatapoints = 0

  constructor(socket: Socket, context: ConnectionContext) {
    this.#socket = socket
    this.#context = context
    this.#address = addressOf(socket)
    this.#limiter = createByteLimiter(context.limitBytes)
    // Who wants to see the lists wants to see them as they came.
    this.#joiner = context.onLists === undefined ? createListJoiner() : undefined
    socket.setKeepAlive(true, keepAliveMs)
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
    socket.on('error', (error) => {
      this.#socketError = error
    })
    this.closed = new Promise((resolve) => socket.once('close', resolve)).then(() => this.#finish())
  }

  /** Takes what Node has already read, lets it be emitted, and closes. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#socket.pause()
    await this.#work
    // More than this is with the kernel: a sender that goes on would keep us for ever.
    if (this.#socket.readableLength > 0) this.#socket.read(this.#socket.readableLength)
    await this.#work
    this.#socket.destroy()
    await this.closed
  }

  /** Undefined where nothing came in since the last call; a new period of the limit begins. */
  summarise(): ConnectionSummary | undefined {
    const { receivedBytes: bytes, throttledBytes } = this.#limiter
    if (bytes === 0) return undefined
    const summary = {
      address: this.#address,
      lists: this.#lists,
      datapoints: this.#datapoints,
      bytes,
      throttledDatapoints: this.#throttledDatapoints,
      throttledBytes,
    }
    this.#limiter.reset()
    this.#lists = this.#datapoints = this.#throttledDatapoints = 0
    return summary
  }

  #take(bytes: Buffer): void {
    this.#socket.pause()
    this.#work = this.#emitListsOf(bytes).then(
      () => this.#goOn(),
      (thrown) => {
        this.#socket.destroy(thrown instanceof Error ? thrown : new Error(messageOf(thrown)))
      },
    )
  }

  async #emitListsOf(bytes: Buffer): Promise<void> {
    this.#receivedAnything = true
    this.#context.onPiece?.(this.#address, bytes)
    const throttled = !this.#limiter.allow(bytes.length)
    this.#context.counters.countBytes(bytes.length, throttled)
    for (let pos = 0; pos < bytes.length; ) {
      if (pos > 0) await everythingReady()
      const lists: MetricList[] = []
      pos = this.#reader.readSome(bytes, pos, lists, this.#joiner)
      if (lists.length > 0) await this.#pass(lists, throttled)
    }
  }

  async #pass(lists: readonly MetricList[], throttled: boolean): Promise<void> {
    this.#count(lists, throttled)
    this.#context.onLists?.(this.#address, lists)
    if (!throttled) await this.#context.emit(lists)
  }

  #count(lists: readonly MetricList[], throttled: boolean): void {
    const { telemetry, counters } = this.#context
    const datapoints = countDatapoints(lists)
    this.#lists += counters.countLists(lists, throttled)
    telemetry.ledger.received += datapoints
    this.#datapoints += datapoints
    if (!throttled) return
    telemetry.ledger.drop('connection_limit', datapoints)
    this.#throttledDatapoints += datapoints
  }

  #goOn(): void {
    if (this.#reader.fault !== undefined) this.#socket.destroy()
    else if (!this.#stopping) this.#socket.resume()
  }

  async #finish(): Promise<void> {
    await this.#work
    // A connection without a byte is somebody who looks whether the port is open.
    if (!this.#receivedAnything) return
    // Where we stop, a cut block is our doing.
    if (!this.#stopping) this.#reader.end()
    const { fault, undecodedBytes } = this.#reader
    if (fault !== undefined) this.#tellFault(fault.message, undecodedBytes)
    else if (this.#socketError !== undefined) {
      const fields = { address: this.#address, cause: messageOf(this.#socketError) }
      this.#context.telemetry.log.debug(fields, 'a connection broke between two blocks')
    }
  }

  #tellFault(message: string, undecodedBytes: number): void {
    const { counters } = this.#context.telemetry
    const opened = this.#reader.opened
    counters.add(`collector.tcp_input.avro_reader_${opened ? 'close' : 'open'}_failures`)
    counters.add('collector.tcp_input.bytes_undecoded', undecodedBytes)
    const broken = this.#socketError === undefined ? '' : ` (${messageOf(this.#socketError)})`
    this.#context.onFault({ address: this.#address, cause: message + broken, undecodedBytes })
  }
}

/** After all promises that can go on without the outside have gone on. */
function everythingReady(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve))
}

/** Undefined parts: the peer was gone before it was looked at. */
function addressOf({ remoteAddress = 'unknown', remotePort = 0 }: Socket): string {
  return remoteAddress.includes(':') ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`
}
