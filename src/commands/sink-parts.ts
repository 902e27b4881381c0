import type { Writable } from 'node:stream'
import type { GraphiteNaming } from '../codec/graphite-line.js'
import type { Parsed } from '../options/option.js'
import { type sinkOptions, storeAddress } from '../options/sinks.js'
import { influxTargetOf, influxUrl } from '../outputs/influx-address.js'
import type { Sink } from '../outputs/sink.js'
import { createStdoutSink } from '../outputs/stdout.js'
import type { Daemon } from './daemon.js'

export type SinkOptions = Parsed<typeof sinkOptions>

/** Where data goes that is printed. */
export interface DataOutput {
  readonly stdout: Writable
  readonly stdoutColour: boolean
}

/** The sink of this name as the options want it. Only what is used is loaded. */
export async function createSinkOf(
  name: SinkOptions['sink'][number],
  options: SinkOptions,
  daemon: Daemon,
  { stdout, stdoutColour }: DataOutput,
): Promise<Sink> {
  switch (name) {
    case 'stdout':
      return createStdoutSink({
        out: stdout,
        format: options.format ?? 'json',
        colour: stdoutColour,
        measurement: options.measurementName,
        naming: namingOf(options),
      })
    case 'graphite':
      return createGraphiteSinkOf(options, daemon)
    case 'influx':
      return createInfluxSinkOf(options, daemon)
  }
}

async function createInfluxSinkOf(options: SinkOptions, { log, counters, clock }: Daemon): Promise<Sink> {
  const { createInfluxSink } = await import('../outputs/influx.js')
  const { host = '', port, hostOption, portOption } = storeAddress('influx', options)
  return createInfluxSink({
    url: influxUrl(host, port),
    addressOptions: [hostOption, portOption],
    target: influxTargetOf(options),
    measurement: options.measurementName,
    onCollision: options.onCollision,
    gzip: options.gzip,
    batchPoints: options.batchPoints,
    clock,
    telemetry: { log, counters },
  })
}

async function createGraphiteSinkOf(options: SinkOptions, { log, clock }: Daemon): Promise<Sink> {
  const { createGraphiteSink } = await import('../outputs/graphite.js')
  const { host = '', port = 2003, hostOption, portOption } = storeAddress('graphite', options)
  return createGraphiteSink({
    host,
    port,
    addressOptions: [hostOption, portOption],
    protocol: options.graphiteProtocol,
    naming: namingOf(options),
    exitOnConnectFailure: options.exitOnConnectFailure,
    clock,
    log,
  })
}

function namingOf(options: SinkOptions): GraphiteNaming {
  return { prefix: options.graphitePrefix, prefixIds: options.graphitePrefixIds, tags: options.graphiteTags }
}
