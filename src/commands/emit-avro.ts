import { setMaxListeners } from 'node:events'
import { hostname } from 'node:os'
import { createGenerator, createNumbering, type Numbering } from '../inputs/generator.js'
import type { Tag } from '../model/metric-list.js'
import type { emitAvroOptions } from '../options/emit.js'
import type { Parsed } from '../options/option.js'
import { createCollectorTcp } from '../outputs/collector-tcp.js'
import { recordingSink } from '../outputs/recording-sink.js'
import { createDelivery } from '../pipeline/deliver.js'
import { runPipeline } from '../pipeline/pipeline.js'
import { createBackoff } from '../platform/backoff.js'
import { type Clock, systemClock } from '../platform/clock.js'
import { Counters } from '../telemetry/counters.js'
import { Ledger } from '../telemetry/ledger.js'
import type { Log } from '../telemetry/log.js'
import { logLedgers } from '../telemetry/report.js'
import type { CommandContext } from './command.js'
import { logFormatOf, openLog } from './daemon.js'
import { pacedCount, startProgress } from './emit-load.js'
import { sharedLog } from './emit-log.js'

type Options = Parsed<typeof emitAvroOptions>

/** What may wait in all connections together. */
const QUEUE_BYTES = 8 * 1024 * 1024
const DRAIN_MS = 10_000

interface Emission {
  readonly options: Options
  readonly clock: Clock
  readonly log: Log
  /** Of all connections. */
  readonly shared: Log
  readonly signal: AbortSignal
  readonly ledger: Ledger
  readonly counters: Counters
  readonly numbering: Numbering | undefined
  readonly timeMsOf: ((number: number) => number) | undefined
}

export async function run(options: Options, context: CommandContext): Promise<void> {
  const log = await openLog('emit avro', options, context)
  const clock = systemClock
  const ledger = new Ledger('emit')
  const numbering = numberingOf(options, clock)
  const timeMsOf = timesOf(options, clock)
  const { signal } = context
  // Each connection listens for the end.
  setMaxListeners(0, signal)
  const emission = {
    options,
    clock,
    log,
    shared: sharedLog(log, clock),
    signal,
    ledger,
    counters: new Counters(),
    numbering,
    timeMsOf,
  }
  const stopProgress =
    numbering && logFormatOf(options, context) === 'pretty'
      ? startProgress({
          clock,
          stderr: context.stderr,
          unit: 'datapoints',
          count: options.count,
          sent: () => ledger.forwarded,
        })
      : () => {}
  const startMs = clock.monotonicMs()
  try {
    await Promise.all(Array.from({ length: options.connections }, (_, i) => runConnection(emission, i)))
  } finally {
    stopProgress()
    const seconds = (clock.monotonicMs() - startMs) / 1000
    const datapointsPerSecond = Math.round(ledger.forwarded / seconds)
    log.info({ connections: options.connections, seconds: Number(seconds.toFixed(3)), datapointsPerSecond }, 'done')
    logLedgers(log, [ledger], 'ledger at exit')
  }
}

function numberingOf({ count, rate }: Options, clock: Clock): Numbering | undefined {
  if (count === undefined && rate === undefined) return undefined
  const startMs = clock.monotonicMs()
  return createNumbering({ count, due: () => pacedCount(rate, clock.monotonicMs() - startMs) })
}

function timesOf({ count = 0, stepMs }: Options, clock: Clock): Emission['timeMsOf'] {
  if (stepMs === undefined) return undefined
  const lastMs = clock.nowMs()
  return (number) => lastMs - (count - number) * stepMs
}

/** One connection of its own life; all share the account and the numbers. */
function runConnection(emission: Emission, index: number): Promise<void> {
  const { options, clock, log, shared, signal, ledger, counters, numbering, timeMsOf } = emission
  const collector = createCollectorTcp({ ...options.endpoint, addressOptions: '--endpoint', log: shared, counters })
  const source = createGenerator({
    topic: options.topic,
    tags: nodesOf(options, index),
    clock,
    ledger,
    pid: process.pid,
    uid: process.getuid?.() ?? 0,
    periodMs: options.period * 1000,
    ...(numbering && { numbering }),
    ...(timeMsOf && { timeMsOf }),
  })
  const delivery = createDelivery({
    sink: options.recordOutputLog ? recordingSink(collector, { log, lists: true, hexdump: false }) : collector,
    ledger,
    log: shared,
    clock,
    backoff: createBackoff({ firstMs: 1000, maxMs: 60_000 }),
    batch: { limits: { lists: options.blockSize, ...(options.blockTickMs > 0 && { ageMs: options.blockTickMs }) } },
    queue: { limitBytes: QUEUE_BYTES / options.connections, whenFull: 'wait', dropReason: 'collector_away' },
  })
  return runPipeline(
    { from: [source], to: [delivery], ledger },
    { signal, clock, log: shared, shutdownTimeoutMs: DRAIN_MS },
  )
}

/** The simulated nodes that a connection speaks for: each node is one connection's, as far as there are enough of both. */
function nodesOf({ agents, connections }: Options, index: number): (readonly Tag[])[] {
  if (agents === 1) return [tagsOf(hostname())]
  const own: (readonly Tag[])[] = []
  for (let node = index; node < agents; node += connections) own.push(tagsOf(`${hostname()}-${node + 1}`))
  return own.length > 0 ? own : [tagsOf(`${hostname()}-${(index % agents) + 1}`)]
}

function tagsOf(name: string): readonly Tag[] {
  return [
    { key: 'hostname', value: name },
    { key: 'pid', value: String(process.pid) },
  ]
}
