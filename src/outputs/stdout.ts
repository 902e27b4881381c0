import type { Writable } from 'node:stream'
import { createGraphiteNames, encodeGraphiteLines, type GraphiteNaming } from '../codec/graphite-line.js'
import { createInfluxNames, encodeInfluxLines } from '../codec/influx-line.js'
import { encodeJsonLines } from '../codec/json-line.js'
import { createPrettyLines } from '../codec/pretty-line.js'
import type { RenderedLines } from '../codec/rendered-lines.js'
import type { MetricList } from '../model/metric-list.js'
import { ExitCode, messageOf, StatsError, systemCodeOf } from '../platform/errors.js'
import { renderBatch, sentBatch } from './rendering.js'
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
  const render = createRenderer(look)
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
      const batch = renderBatch(lists, render)
      if (fault === undefined && batch.text !== '') fault = await writeOut(out, batch.text, signal)
      if (fault === undefined) return sentBatch(batch)
      if (fault === aborted) {
        fault = undefined
        return { status: 'retry', cause: aborted }
      }
      throw goneFor(fault)
    },
    async close() {
      out.off('error', onError)
    },
  }
}

function createRenderer({
  format,
  colour = false,
  measurement = 'metrics',
  naming = { prefix: '', prefixIds: true, tags: false },
}: Omit<StdoutSinkOptions, 'out'>): (list: MetricList) => RenderedLines {
  switch (format) {
    case 'json':
      return encodeJsonLines
    case 'pretty':
      return createPrettyLines({ colour })
    case 'influx': {
      const names = createInfluxNames(measurement)
      return (list) => encodeInfluxLines(list, names)
    }
    case 'graphite': {
      const names = createGraphiteNames(naming)
      return (list) => encodeGraphiteLines(list, names)
    }
  }
}

const aborted = new Error('The output did not take the lines before the process had to end.')
const closed = new Error('The output was closed.')

/** Resolves when the system has taken the text; with the error where it has not. */
function writeOut(out: Writable, text: string, signal: AbortSignal): Promise<Error | undefined> {
  if (signal.aborted) return Promise.resolve(aborted)
  return new Promise((resolve) => {
    const onAbort = () => settle(aborted)
    // A stream whose reader went away can be closed without any answer to the write.
    const onClose = () => settle(closed)
    signal.addEventListener('abort', onAbort, { once: true })
    out.once('close', onClose)
    // Node answers a write without a cause when the stream was destroyed under it.
    out.write(text, (cause) => settle(cause ?? (out.destroyed ? closed : undefined)))

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
