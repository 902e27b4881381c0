import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { decodeDatapoints } from '../codec/datapoints.js'
import { hexdump } from '../codec/hexdump.js'
import type { MetricList } from '../model/metric-list.js'
import type { Clock } from '../platform/clock.js'
import { ExitCode, messageOf, StatsError, systemCodeOf } from '../platform/errors.js'
import { formatAddress, type HostPort } from '../platform/hosts.js'
import type { Log } from '../telemetry/log.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import { AvroTcpConnection, type ConnectionContext, type ConnectionSummary } from './avro-tcp-connection.js'
import { AvroTcpCounters } from './avro-tcp-counters.js'
import type { Emit, Source } from './source.js'

export interface AvroTcpOptions {
  /** Port 0 lets the kernel choose; `onListening` tells which it is. */
  readonly listen: HostPort
  readonly clock: Clock
  readonly telemetry: Telemetry
  /** What each connection may send in a period; the rest is dropped and counted. 20,480 unless given. */
  readonly limitKbytes?: number
  /** 60,000 unless given. */
  readonly limitPeriodMs?: number
  /** Log every list that comes in. */
  readonly recordLists?: boolean
  /** Log the bytes that come in. */
  readonly recordHexdump?: boolean
  readonly onListening?: (address: HostPort) => void
}

/** Lines of one kind in a period; the others are counted in one more. */
const linesPerPeriod = 20

/**
 * Avro over TCP: any number of connections, each of them one container file that never ends. A corrupt stream ends its own
 * connection, with one line and after what was complete has been passed on; the others do not notice.
 *
 * `run` rejects with `DS_LISTEN` where the address cannot be bound.
 */
export function createAvroTcp(options: AvroTcpOptions): Source {
  return new AvroTcp(options)
}

class AvroTcp implements Source {
  readonly name = 'avro-tcp'
  readonly #options: AvroTcpOptions
  readonly #log: Log
  readonly #connections = new Set<AvroTcpConnection>()
  readonly #counters: AvroTcpCounters
  readonly #periodMs: number
  #faultsInPeriod = 0

  constructor(options: AvroTcpOptions) {
    this.#options = options
    this.#log = options.telemetry.log
    this.#counters = new AvroTcpCounters(options.telemetry.counters)
    this.#periodMs = options.limitPeriodMs ?? 60_000
  }

  async run(emit: Emit, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const context = this.#context(emit)
    const server = createServer((socket) => this.#accept(socket, context, signal))
    await this.#listen(server)
    const cancel = this.#options.clock.every(this.#periodMs, () => this.#endPeriod())
    await aborted(signal)
    const closed = new Promise((resolve) => server.close(resolve))
    await Promise.all([...this.#connections].map((connection) => connection.stop()))
    await closed
    cancel()
    this.#endPeriod()
  }

  #context(emit: Emit): ConnectionContext {
    const { telemetry, limitKbytes = 20_480, recordLists, recordHexdump } = this.#options
    return {
      emit,
      telemetry,
      counters: this.#counters,
      limitBytes: limitKbytes * 1024,
      onFault: (fields) => this.#tellFault(fields),
      ...(recordLists && { onLists: (address, lists) => recordAll(this.#log, address, lists) }),
      ...(recordHexdump && {
        onPiece: (address, bytes) => this.#log.info({ address }, `input, ${bytes.length} bytes\n${hexdump(bytes)}`),
      }),
    }
  }

  async #listen(server: Server): Promise<void> {
    const { listen, onListening, telemetry } = this.#options
    try {
      server.listen(listen.port, listen.host)
      await once(server, 'listening')
    } catch (cause) {
      telemetry.counters.add('collector.tcp_input.tcp_listen_failures')
      throw cannotListen(listen, cause)
    }
    server.on('error', (error) => this.#tellAcceptFailure(error))
    const { address: host, port } = server.address() as AddressInfo
    this.#log.info({ address: formatAddress({ host, port }) }, 'taking in Avro streams')
    onListening?.({ host, port })
  }

  #accept(socket: Socket, context: ConnectionContext, signal: AbortSignal): void {
    if (signal.aborted) {
      socket.destroy()
      return
    }
    const { counters } = this.#options.telemetry
    counters.add('collector.tcp_input.tcp_sessions_opened')
    const connection = new AvroTcpConnection(socket, context)
    this.#connections.add(connection)
    connection.closed.then(() => {
      this.#connections.delete(connection)
      counters.add('collector.tcp_input.tcp_sessions_closed')
      this.#logSummaries([connection.summarise()].filter((summary) => (summary?.throttledBytes ?? 0) > 0))
    })
  }

  #tellAcceptFailure(cause: Error): void {
    this.#options.telemetry.counters.add('collector.tcp_input.tcp_accept_failures')
    this.#log.warn({ cause: messageOf(cause) }, 'a connection could not be accepted')
  }

  #tellFault(fields: { address: string; cause: string; undecodedBytes: number }): void {
    this.#faultsInPeriod++
    if (this.#faultsInPeriod <= linesPerPeriod)
      this.#log.error(fields, 'closed a connection: its Avro stream is unreadable')
  }

  #endPeriod(): void {
    const unreported = this.#faultsInPeriod - linesPerPeriod
    if (unreported > 0)
      this.#log.error({ connections: unreported }, 'closed more connections with unreadable Avro streams')
    this.#faultsInPeriod = 0
    this.#logSummaries([...this.#connections].map((connection) => connection.summarise()))
  }

  /** Those that lost something first. */
  #logSummaries(summaries: readonly (ConnectionSummary | undefined)[]): void {
    const active = summaries.filter((summary) => summary !== undefined)
    active.sort((a, b) => b.throttledBytes - a.throttledBytes || b.bytes - a.bytes)
    for (const summary of active.slice(0, linesPerPeriod)) this.#logSummary(summary)
    const others = active.slice(linesPerPeriod)
    if (others.length > 0) this.#logSummary({ ...sumOf(others), address: `${others.length} more connections` })
  }

  #logSummary({ address, lists, datapoints, bytes, throttledBytes, throttledDatapoints }: ConnectionSummary): void {
    const fields = { address, lists, datapoints, kbytes: kbytesOf(bytes), periodMs: this.#periodMs }
    const dropped = { droppedDatapoints: throttledDatapoints, droppedKbytes: kbytesOf(throttledBytes) }
    if (throttledBytes === 0) this.#log.info(fields, 'input summary')
    else
      this.#log.error(
        { ...fields, ...dropped },
        'input summary: over --input-limit-amount-kbytes, the rest was dropped',
      )
  }
}

function sumOf(summaries: readonly ConnectionSummary[]): Omit<ConnectionSummary, 'address'> {
  const sum = { lists: 0, datapoints: 0, bytes: 0, throttledDatapoints: 0, throttledBytes: 0 }
  for (const summary of summaries) {
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += summary[key]
  }
  return sum
}

function kbytesOf(bytes: number): number {
  return Math.round(bytes / 102.4) / 10
}

/** JSON has no NaN and no infinities: they stand as strings. */
function recordAll(log: Log, address: string, lists: readonly MetricList[]): void {
  for (const { topic, tags, datapoints } of lists) {
    const points = decodeDatapoints(datapoints).map(({ name, timeMs, value }) => {
      return { name, timeMs, value: Number.isFinite(value) ? value : String(value) }
    })
    log.info({ address, topic, tags, datapoints: points }, 'input list')
  }
}

function cannotListen(listen: HostPort, cause: unknown): StatsError {
  const code = systemCodeOf(cause)
  const what = `--listen-endpoint ${formatAddress(listen)} cannot be bound`
  if (code === 'EADDRINUSE') {
    return new StatsError('DS_LISTEN', `${what}: another program has this port. Stop it, or give another port.`, {
      cause,
      exitCode: ExitCode.unavailable,
    })
  }
  const exitCode = code === 'EACCES' ? ExitCode.unavailable : ExitCode.config
  return new StatsError('DS_LISTEN', `${what} (${messageOf(cause)}). Give an address of this machine.`, {
    cause,
    exitCode,
  })
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
