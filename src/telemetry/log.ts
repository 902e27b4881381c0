import type { Writable } from 'node:stream'
import { type DestinationStream, type Logger, pino } from 'pino'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/**
 * Levels: error = data was lost, or the process cannot go on; warn = something is wrong and nothing was lost;
 * info = what an operator wants to know once; debug = what a developer wants to see.
 */
export type Log = Pick<Logger, LogLevel>

/** Stderr is talk. JSON, one object a line, unless `format` is pretty. */
export async function createLog({
  level,
  format,
  role,
  destination = process.stderr,
  colour = false,
}: {
  level: LogLevel
  format: 'json' | 'pretty'
  /** The subcommand, in every line. */
  role: string
  /** Where lines go; stderr unless given. */
  destination?: Writable
  /** For pretty: whether levels are coloured. */
  colour?: boolean
}): Promise<Log> {
  const log: Log = pino(
    { level, base: { role }, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: asName } },
    format === 'json' ? destination : await prettyStream(destination, colour),
  )
  return log
}

function asName(label: string): { level: string } {
  return { level: label }
}

// pino-pretty costs a tenth of a second to load, so only a terminal pays for it.
async function prettyStream(destination: Writable, colorize: boolean): Promise<DestinationStream> {
  const { default: pretty } = await import('pino-pretty')
  const stream: Writable = pretty({
    destination,
    colorize,
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'pid,hostname,role',
    singleLine: true,
    sync: true,
  })
  return stream
}

/** Says nothing: for tests and for parts that are used without a log. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }
