import type { Bus, Subscription } from '../bus/bus.js'
import { createBusTopicsSource } from '../inputs/bus-topics.js'
import type { consumeOptions } from '../options/consume.js'
import type { Parsed } from '../options/option.js'
import type { BatchLimits } from '../pipeline/batch.js'
import { createDelivery, type Delivery } from '../pipeline/deliver.js'
import { runPipeline } from '../pipeline/pipeline.js'
import { createBackoff } from '../platform/backoff.js'
import { letOldGenerationGrow } from '../platform/old-generation.js'
import type { Counters } from '../telemetry/counters.js'
import type { Ledger } from '../telemetry/ledger.js'
import { busNameOf, createConsumerBus } from './bus-parts.js'
import type { CommandContext } from './command.js'
import { type Daemon, runDaemon, telemetryOf } from './daemon.js'
import { showConsume } from './live-parts.js'
import { createSinkOf, type DataOutput } from './sink-parts.js'

export type ConsumeOptions = Parsed<typeof consumeOptions>

/** A write of several batches is several requests at the same time. */
const BATCHES_IN_A_WRITE = 8
/** About what a datapoint takes in memory, with its share of the tags. */
const POINT_BYTES = 64
/** What waits for a sink in memory; the bus keeps the rest. */
const QUEUE_BYTES = 32 * 1024 * 1024

export function run(options: ConsumeOptions, context: CommandContext): Promise<void> {
  letOldGenerationGrow()
  return runDaemon('consume', options, context, (daemon) => runConsume(options, daemon, context))
}

/** Topics of the bus -> one or several sinks; a position moves on when all of them have answered. */
export async function runConsume(
  options: ConsumeOptions,
  daemon: Daemon,
  output: DataOutput,
  onRunning: (running: Pick<Bus, 'lag'>) => void = () => {},
): Promise<void> {
  const { clock } = daemon
  const subscription = subscriptionOf(options)
  const ledger = daemon.openLedger('consume', subscription.group)
  const bus = await createConsumerBus(options, daemon)
  const source = createBusTopicsSource({
    bus: tellingWhenOpen(bus, daemon),
    subscription,
    frameworkNames: options.frameworkNames,
    ...(options.deadLetterDir !== undefined && {
      deadLetters: { dir: options.deadLetterDir, limitMbytes: options.deadLetterLimitMbytes },
    }),
    telemetry: telemetryOf(daemon, ledger),
    clock,
  })
  const to: Delivery[] = []
  for (const name of options.sink) {
    // A single sink shares the account of what was read; several have one each.
    const own = options.sink.length === 1 ? ledger : daemon.openLedger(`consume:${name}`)
    to.push(await createSinkDelivery(name, options, daemon, { ledger: own, output }))
  }
  const watch = showConsume(daemon, {
    ledger,
    bus: busNameOf({ ...options, kafkaFramework: options.kafkaFrameworkName }),
    sinks: to,
  })
  const stopStats = reportStats(options.statsPrintPeriodMs, daemon, ledger, bus)
  try {
    await runPipeline({ from: [source], through: [watch], to, ledger }, { ...daemon, onStarted: () => onRunning(bus) })
  } finally {
    stopStats()
  }
}

function subscriptionOf(options: ConsumeOptions): Subscription {
  const { kafkaTopics, sink } = options
  return {
    topics: kafkaTopics.length === 0 ? options.kafkaTopicPattern : kafkaTopics,
    group: options.groupId ?? `metrics-consumer-${sink.join('-')}`,
    from: options.from,
    concurrency: options.consumerThreads,
    // An end makes it a replay: the group's positions are neither used nor moved.
    ...(options.to !== undefined && { replay: true, to: options.to }),
  }
}

async function createSinkDelivery(
  name: ConsumeOptions['sink'][number],
  options: ConsumeOptions,
  daemon: Daemon,
  { ledger, output }: { ledger: Ledger; output: DataOutput },
): Promise<Delivery> {
  const { log, clock, readiness } = daemon
  readiness.waiting(name, 'not open yet')
  const limits = batchLimitsOf(name, options)
  return createDelivery({
    sink: await createSinkOf(name, options, daemon, output),
    ledger,
    log,
    clock,
    backoff: createBackoff({ firstMs: 500, maxMs: 30_000 }),
    ...(limits && { batch: { limits }, mergeBytes: options.batchPoints * POINT_BYTES * BATCHES_IN_A_WRITE }),
    queue: { limitBytes: QUEUE_BYTES, whenFull: 'wait', dropReason: 'rejected_by_sink' },
    pushSettles: 'when_written',
    readiness: readiness.of(name),
  })
}

/** Only InfluxDB gains by waiting: its requests are dear. What others get is what the bus brought at once. */
function batchLimitsOf(name: string, { batchPoints, batchMs }: ConsumeOptions): BatchLimits | undefined {
  return name === 'influx' ? { datapoints: batchPoints, ageMs: batchMs } : undefined
}

function tellingWhenOpen(bus: Bus, { readiness }: Daemon): Bus {
  readiness.waiting('bus', `the ${bus.name} bus is not open yet`)
  return {
    ...bus,
    async open(signal) {
      await bus.open(signal)
      readiness.ready('bus')
    },
  }
}

/** One line a period: what was read since the last one, and how much is left. */
function reportStats(periodMs: number, { log, counters, clock }: Daemon, ledger: Ledger, bus: Bus): () => void {
  if (periodMs === 0) return () => {}
  let last = totalsOf(counters, ledger)
  return clock.every(periodMs, () => {
    const now = totalsOf(counters, ledger)
    const seconds = periodMs / 1000
    const perSecond = Math.round((now.datapoints - last.datapoints) / seconds)
    const recent = Object.fromEntries(
      Object.entries(now).map(([name, value]) => [name, value - last[name as keyof Totals]]),
    )
    last = now
    log.info({ recent, datapointsPerSecond: perSecond, total: now, lag: lagByTopic(bus) }, 'stats')
  })
}

type Totals = ReturnType<typeof totalsOf>

function totalsOf(counters: Counters, ledger: Ledger) {
  return {
    messages: counters.value('consume.messages'),
    lists: counters.value('consume.lists'),
    datapoints: counters.value('consume.datapoints'),
    bytes: counters.value('consume.bytes'),
    errors: counters.value('consume.errors'),
    forwarded: ledger.forwarded,
  }
}

function lagByTopic(bus: Bus): Record<string, number> {
  const lag: Record<string, number> = {}
  for (const { topic, messages } of bus.lag()) lag[topic] = (lag[topic] ?? 0) + messages
  return lag
}
