import { createGraphiteLines, createGraphiteNames, type GraphiteNaming } from '../codec/graphite-line.js'
import { encodePickleFrames } from '../codec/graphite-pickle.js'
import type { Clock } from '../platform/clock.js'
import { ExitCode, messageOf, StatsError } from '../platform/errors.js'
import type { Log } from '../telemetry/log.js'
import { CarbonDatagrams } from './carbon-datagrams.js'
import { CarbonStream } from './carbon-stream.js'
import { createPieceWriter, type PieceWriter, sentBatch } from './rendering.js'
import type { Sink } from './sink.js'

export const graphiteProtocols = ['tcp', 'udp', 'pickle'] as const
export type GraphiteProtocol = (typeof graphiteProtocols)[number]

export interface GraphiteSinkOptions {
  readonly host: string
  readonly port: number
  readonly protocol: GraphiteProtocol
  readonly naming: GraphiteNaming
  /** Options that gave host and port, for advice; output-host and output-port unless given. */
  readonly addressOptions?: readonly [host: string, port: string]
  /** Whether a connection that cannot be made ends the process (69); else it is tried again. */
  readonly exitOnConnectFailure: boolean
  readonly clock: Clock
  readonly log: Log
  /** For connecting, and for carbon to take what was written; 30,000 unless given. */
  readonly timeoutMs?: number
}

/**
 * Writes to carbon: lines by TCP or UDP, or pickles by TCP.
 *
 * Carbon never answers. A datapoint counts as sent when the system took it; what carbon may not have read when a TCP connection
 * ends is sent once more on the next one (see CarbonStream). By UDP, what is lost on the way is lost.
 */
export function createGraphiteSink(options: GraphiteSinkOptions): Sink {
  const { protocol, exitOnConnectFailure } = options
  const carrier: Carrier = protocol === 'udp' ? new CarbonDatagrams(options) : new CarbonStream(options)
  const writePieces = createWriter(options)

  /** The fault where there is no connection and none is needed to go on. */
  async function connect(signal: AbortSignal): Promise<StatsError | undefined> {
    try {
      await carrier.connect(signal)
      return undefined
    } catch (cause) {
      if (exitOnConnectFailure && !signal.aborted) throw unreachable(options, cause, ExitCode.unavailable)
      return unreachable(options, cause)
    }
  }

  async function send(bytes: Buffer, signal: AbortSignal): Promise<StatsError | undefined> {
    const fault = await connect(signal)
    if (fault !== undefined) return fault
    try {
      await carrier.send(bytes, signal)
      return undefined
    } catch (cause) {
      // A connection that breaks may be a restart of carbon: the next write connects anew, and that decides.
      return unreachable(options, cause)
    }
  }

  return {
    name: 'graphite',
    async open(signal) {
      await connect(signal)
    },
    async write(lists, signal) {
      const { counts, fault } = await writePieces(lists, (bytes) => send(bytes, signal))
      return fault === undefined ? sentBatch(counts) : { status: 'retry', cause: fault }
    },
    close: () => carrier.close(),
  }
}

interface Carrier {
  /** Does nothing where there is a connection. */
  connect(signal: AbortSignal): Promise<void>
  send(bytes: Buffer, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

function unreachable(options: GraphiteSinkOptions, cause: unknown, exitCode?: number): StatsError {
  const { host, port, protocol, addressOptions = ['output-host', 'output-port'] } = options
  const why = `Graphite at ${host}:${port} (${protocol}) does not take data: ${messageOf(cause)}.`
  const check = `Check --${addressOptions.join(', --')} and --graphite-protocol.`
  return new StatsError('DS_GRAPHITE_UNREACHABLE', `${why} ${check}`, {
    cause,
    ...(exitCode !== undefined && { exitCode }),
  })
}

function createWriter({ protocol, naming }: GraphiteSinkOptions): PieceWriter<StatsError> {
  const names = createGraphiteNames(naming)
  if (protocol !== 'pickle') return createPieceWriter(createGraphiteLines(names))
  return async (lists, write) => {
    const { frames, ...counts } = encodePickleFrames(lists, names)
    return { counts, fault: frames.length === 0 ? undefined : await write(Buffer.concat(frames)) }
  }
}
