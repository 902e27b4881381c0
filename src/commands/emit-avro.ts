import { hostname } from 'node:os'
import { createGenerator } from '../inputs/generator.js'
import type { emitAvroOptions } from '../options/emit.js'
import type { Parsed } from '../options/option.js'
import { createCollectorTcp } from '../outputs/collector-tcp.js'
import { recordingSink } from '../outputs/recording-sink.js'
import { createDelivery } from '../pipeline/deliver.js'
import { runPipeline } from '../pipeline/pipeline.js'
import { createBackoff } from '../platform/backoff.js'
import { systemClock } from '../platform/clock.js'
import { Counters } from '../telemetry/counters.js'
import { Ledger } from '../telemetry/ledger.js'
import { logLedgers } from '../telemetry/report.js'
import type { CommandContext } from './command.js'
import { openLog } from './daemon.js'

type Options = Parsed<typeof emitAvroOptions>

const QUEUE_BYTES = 8 * 1024 * 1024
const DRAIN_MS = 10_000
const NUMBERED_PER_LIST = 100

export async function run(options: Options, context: CommandContext): Promise<void> {
  const log = await openLog('emit avro', options, context)
  const clock = systemClock
  const ledger = new Ledger('emit')
  const { host, port } = options.endpoint
  const { count, rate } = options
  const startMs = clock.monotonicMs()
  const source = createGenerator({
    topic: options.topic,
    tags: [
      { key: 'hostname', value: hostname() },
      { key: 'pid', value: String(process.pid) },
    ],
    clock,
    ledger,
    pid: process.pid,
    uid: process.getuid?.() ?? 0,
    periodMs: options.period * 1000,
    ...((count ?? rate) !== undefined && { numbered: { count, rate, perList: NUMBERED_PER_LIST } }),
  })
  const collector = createCollectorTcp({ host, port, log, counters: new Counters() })
  const delivery = createDelivery({
    sink: options.recordOutputLog ? recordingSink(collector, { log, lists: true, hexdump: false }) : collector,
    ledger,
    log,
    clock,
    backoff: createBackoff({ firstMs: 1000, maxMs: 60_000 }),
    batch: { limits: { lists: options.blockSize, ...(options.blockTickMs > 0 && { ageMs: options.blockTickMs }) } },
    queue: { limitBytes: QUEUE_BYTES, whenFull: 'wait', dropReason: 'collector_away' },
  })
  await runPipeline(
    { from: [source], to: [delivery], ledger },
    { signal: context.signal, clock, log, shutdownTimeoutMs: DRAIN_MS },
  )
  const seconds = (clock.monotonicMs() - startMs) / 1000
  log.info({ seconds: round(seconds), datapointsPerSecond: round(ledger.forwarded / seconds) }, 'done')
  logLedgers(log, [ledger], 'ledger at exit')
}

function round(number: number): number {
  return Math.round(number * 1000) / 1000
}
