import { randomBytes } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { defaultOcfLimits, encodeOcfHeader, syncMarkerBytes } from '../codec/avro-ocf.js'
import { countDatapoints, type MetricList } from '../model/metric-list.js'
import type { Clock } from '../platform/clock.js'
import { messageOf } from '../platform/errors.js'
import { formatAddress, isLoopback, type ListenAddress } from '../platform/hosts.js'
import { type Listening, listenAt } from '../platform/listen.js'
import type { Counters } from '../telemetry/counters.js'
import type { Log } from '../telemetry/log.js'
import { endGently } from './end-gently.js'
import { encodeBlocks } from './ocf-blocks.js'
import type { Tap } from './tap.js'

// A dead peer's host is noticed by the kernel after this silence and nine probes.
const keepAliveAfterMs = 30_000
const logPeriodMs = 60_000

export interface PartnerListenOptions {
  readonly listen: ListenAddress
  readonly log: Log
  readonly counters: Counters
  readonly clock: Clock
  /** Permissions of a unix socket's file; 0o660 unless given. */
  readonly socketMode?: number
  /** What may wait for one reader here; the kernel's buffer comes on top. 4 MiB unless given. */
  readonly bufferLimitBytes?: number
  /** 64 unless given. */
  readonly connectionLimit?: number
  /** What a reader takes in one block; more lists become several blocks. */
  readonly blockLimitBytes?: number
  readonly onListening?: (address: ListenAddress) => void
}

/**
 * Gives every connection the lists as one Avro container file that never ends: its header first, then a block for each
 * `push` since the connection was made. A block is encoded once for all; without readers nothing is encoded.
 *
 * A reader for which more than `bufferLimitBytes` still wait when the next block comes is cut off, in the middle of its stream, and
 * may connect again. So a reader costs at most that and one push. What readers send is read and thrown away; one that closes
 * its side has its connection closed.
 *
 * `open` rejects with `DS_PARTNER_LISTEN` where the address cannot be had.
 */
export function createPartnerListen(options: PartnerListenOptions): Tap {
  return new PartnerListen(options)
}

class PartnerListen implements Tap {
  readonly name = 'partner-listen'
  readonly #options: PartnerListenOptions
  readonly #syncMarker = randomBytes(syncMarkerBytes)
  readonly #header = encodeOcfHeader(this.#syncMarker)
  readonly #readers = new Set<Socket>()
  readonly #server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveAfterMs })
  readonly #lastLoggedMs = new Map<string, number>()
  #listening: Listening | undefined
  #closing = false

  constructor(options: PartnerListenOptions) {
    this.#options = options
    this.#server.on('connection', (socket) => this.#accept(socket))
  }

  async open(): Promise<void> {
    const { listen, socketMode, log, onListening } = this.#options
    this.#listening = await listenAt(this.#server, listen, {
      option: '--partner-listen',
      errorCode: 'DS_PARTNER_LISTEN',
      ...(socketMode !== undefined && { socketMode }),
    })
    this.#server.on('error', (cause) => log.warn({ cause: messageOf(cause) }, 'a partner could not be accepted'))
    const { address } = this.#listening
    log.info({ address: formatAddress(address) }, 'partners can read the outgoing lists here')
    if (address.kind === 'tcp' && !isLoopback(address.host)) {
      log.warn({ address: formatAddress(address) }, 'other nodes can read the metrics too: --partner-listen')
    }
    onListening?.(address)
  }

  push(lists: readonly MetricList[]): void {
    if (this.#readers.size === 0 || lists.length === 0) return
    const { counters, blockLimitBytes = defaultOcfLimits.blockBytes } = this.#options
    const { blocks, drops } = encodeBlocks(lists, this.#syncMarker, blockLimitBytes)
    const tooLarge = drops.reduce((sum, { datapoints }) => sum + datapoints, 0)
    if (tooLarge > 0) counters.add('collector.partner.listen_datapoints_too_large', tooLarge)
    if (blocks.length === 0) return
    const datapoints = countDatapoints(lists) - tooLarge
    const bytes = blocks.reduce((sum, block) => sum + block.length, 0)
    for (const reader of this.#readers) {
      if (!this.#write(reader, blocks)) continue
      counters.add('collector.partner.listen_datapoints', datapoints)
      counters.add('collector.partner.listen_bytes', bytes)
    }
  }

  async close(): Promise<void> {
    this.#closing = true
    const closed = this.#listening?.close()
    await Promise.all([...this.#readers].map(endGently))
    await closed
  }

  #accept(reader: Socket): void {
    const { counters, connectionLimit = 64 } = this.#options
    reader.on('error', (cause) => this.#options.log.debug({ cause: messageOf(cause) }, 'a partner has gone'))
    if (this.#closing) {
      reader.destroy()
      return
    }
    if (this.#readers.size >= connectionLimit) {
      counters.add('collector.partner.listen_sessions_refused')
      this.#tellSeldom('a partner was refused: there are too many connections', { connectionLimit })
      reader.destroy()
      return
    }
    counters.add('collector.partner.listen_sessions_opened')
    this.#readers.add(reader)
    reader.once('close', () => {
      this.#readers.delete(reader)
      counters.add('collector.partner.listen_sessions_closed')
    })
    // Only who reads sees the other side's end.
    reader.resume()
    reader.write(this.#header)
  }

  /** False where the reader was cut off instead. */
  #write(reader: Socket, blocks: readonly Buffer[]): boolean {
    const { counters, bufferLimitBytes = 4 * 1024 * 1024 } = this.#options
    if (!reader.writable) return false
    if (reader.writableLength > bufferLimitBytes) {
      counters.add('collector.partner.listen_sessions_cut_off')
      this.#tellSeldom('a partner was cut off: it reads more slowly than metrics come', {
        address: addressOf(reader),
        waitingBytes: reader.writableLength,
      })
      reader.destroy()
      return false
    }
    reader.cork()
    for (const block of blocks) reader.write(block)
    reader.uncork()
    return true
  }

  /** Each kind of message once a minute: the counters tell how often. */
  #tellSeldom(message: string, fields: object): void {
    const nowMs = this.#options.clock.monotonicMs()
    const lastMs = this.#lastLoggedMs.get(message)
    if (lastMs !== undefined && nowMs - lastMs < logPeriodMs) return
    this.#lastLoggedMs.set(message, nowMs)
    this.#options.log.warn(fields, message)
  }
}

function addressOf({ remoteAddress: host, remotePort: port }: Socket): string {
  return host === undefined || port === undefined ? 'unix' : formatAddress({ host, port })
}
