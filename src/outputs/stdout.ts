import type { Writable } from 'node:stream'
import { createGraphiteLines, createGraphiteNames, type GraphiteNaming } from '../codec/graphite-line.js'
import { createInfluxLines, createInfluxNames } from '../codec/influx-line.js'
import { encodeJsonLines } from '../codec/json-line.js'
import { createPrettyLines } from '../codec/pretty-line.js'
import type { LineEncoder } from '../codec/rendered-lines.js'
import { ExitCode, messageOf, StatsError, systemCodeOf } from '../platform/errors.js'
import { createPieceWriter, sentBatch } from './rendering.js'
import type { Sink } from './sink.js'

export const stdoutFormats = ['json', 'pretty', 'influx', 'graphite'] as const
export type StdoutFormat = (typeof stdoutFormats)[number]

export interface StdoutSinkOptions {
  /** process.stdout. */
  readonly out: Writable
  readonly format: StdoutFormat
  /** For pretty: a terminal, and no NO_COLOR in the environment. */
  readonly colour?: boolean
  /** For influx. */
  readonly measurement?: string
  /** For graphite. */
  readonly naming?: GraphiteNaming
}

/**
 * Prints every datapoint as one line.
 *
 * A write is answered when the system has taken its bytes, so a slow reader slows what feeds the sink, and what was reported is never
 * lost in a buffer. When the reader is gone (`| head`), `write` rejects with `DS_STDOUT_CLOSED` and exit
 * code 0: that is how a reader says that it has seen enough.
 */
export function createStdoutSink({ out, ...look }: StdoutSinkOptions): Sink {
  const writePieces = createPieceWriter<Error>(createEncoder(look))
  let fault: Error | undefined
  // Without a listener a reader that goes away between two writes would end the process with a stack trace.
  const onError = (cause: Error) => {
    fault ??= cause
  }
  return {
    name: 'stdout',
    async open() {
      out.on('error', onError)
    },
    async write(lists, signal) {
      const written = await writePieces(lists, async (piece) => fault ?? writeOut(out, piece, signal))
      if (written.fault === aborted) return { status: 'retry', cause: aborted }
      fault ??= written.fault
      if (fault !== undefined) throw goneFor(fault)
      return sentBatch(written.counts)
    },
    async close() {
      out.off('error', onError)
    },
  }
}

function createEncoder({
  format,
  colour = false,
  measurement = 'metrics',
  naming = { prefix: '', prefixIds: true, tags: false },
}: Omit<StdoutSinkOptions, 'out'>): LineEncoder {
  switch (format) {
    case 'json':
      return encodeJsonLines
    case 'pretty':
      return createPrettyLines({ colour })
    case 'influx':
      return createInfluxLines(createInfluxNames(measurement))
    case 'graphite':
      return createGraphiteLines(createGraphiteNames(naming))
  }
}

const aborted = new Error('The output did not take the lines before the process had to end.')
const closed = new Error('The output was closed.')

/** Resolves when the system has taken the bytes; with the error where it has not. */
function writeOut(out: Writable, bytes: Buffer, signal: AbortSignal): Promise<Error | undefined> {
  if (signal.aborted) return Promise.resolve(aborted)
  return new Promise((resolve) => {
    const onAbort = () => settle(aborted)
    // A stream whose reader went away can be closed without any answer to the write.
    const onClose = () => settle(closed)
    signal.addEventListener('abort', onAbort, { once: true })
    out.once('close', onClose)
    // Node answers a write without a cause when the stream was destroyed under it.
    out.write(bytes, (cause) => settle(cause ?? (out.destroyed ? closed : undefined)))

    function settle(cause: Error | undefined) {
      signal.removeEventListener('abort', onAbort)
      out.off('close', onClose)
      resolve(cause)
    }
  })
}

function goneFor(cause: Error): StatsError {
  if (cause === closed || ['EPIPE', 'ERR_STREAM_DESTROYED'].includes(systemCodeOf(cause) ?? '')) {
    return new StatsError('DS_STDOUT_CLOSED', 'The reader of standard output is gone.', {
      cause,
      exitCode: ExitCode.ok,
    })
  }
  return new StatsError('DS_STDOUT_FAILED', `Standard output cannot be written: ${messageOf(cause)}.`, {
    cause,
    exitCode: ExitCode.failure,
  })
}
