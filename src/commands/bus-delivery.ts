import type { AgentPoller } from '../agent/poller.js'
import { unknownAgentState } from '../model/agent-state.js'
import type { collectorOptions } from '../options/collector.js'
import type { Parsed } from '../options/option.js'
import { type BatchFigures, createDelivery, type Delivery, type DeliveryOptions } from '../pipeline/deliver.js'
import { spooledDelivery } from '../pipeline/spooled-delivery.js'
import { tappedDelivery } from '../pipeline/tapped-delivery.js'
import { createBackoff } from '../platform/backoff.js'
import { createAgentTags } from '../tagging/agent-tags.js'
import { createTopicRule } from '../tagging/topic.js'
import type { Ledger } from '../telemetry/ledger.js'
import { createCollectorSink } from './bus-parts.js'
import type { Daemon } from './daemon.js'
import { createPartners } from './partner-parts.js'

type CollectorOptions = Parsed<typeof collectorOptions>

const MIB = 1024 * 1024
/**
 * Waiting batches that share one write to the bus. For the embedded bus each is a transaction, which waits for the disk twice: with
 * four times as much in each, a datapoint takes a fifth less CPU. Kafka takes no larger batches.
 */
const WRITE_BYTES = { kafka: MIB, embedded: 4 * MIB, none: MIB }

/** The collector's way out: partners get what comes in at once; batches by topic go to the bus, by the disk where there is a spool. */
export async function createBusDelivery(
  options: CollectorOptions,
  daemon: Daemon,
  parts: { ledger: Ledger; poller: AgentPoller | undefined; admit: (batch: BatchFigures) => boolean },
): Promise<Delivery> {
  const { log, clock, counters, readiness } = daemon
  const { spoolDir } = options
  readiness.waiting('bus', `--bus ${options.bus} is not open yet`)
  const topicOf = createTopicRule({ prefix: options.kafkaTopicPrefix, singleTopic: options.kafkaSingleTopic })
  const state = () => parts.poller?.state() ?? unknownAgentState
  const noAgentState = counters.cell('collector.topic_sorter.no_agent_state_available')
  const settings: DeliveryOptions = {
    sink: await createCollectorSink(options, daemon, topicOf),
    ledger: parts.ledger,
    log,
    clock,
    backoff: createBackoff({ firstMs: 250, maxMs: 15_000 }),
    batch: {
      keyOf: topicOf,
      limits: {
        lists: options.kafkaProduceCount,
        bytes: options.kafkaProduceKbytes * 1024,
        ageMs: options.kafkaProducePeriodMs,
      },
    },
    through: [createAgentTags(state, { noAgentState })],
    readiness: readiness.of('bus'),
    queue: { limitBytes: options.queueLimitKbytes * 1024, whenFull: 'wait', dropReason: 'queue_full' },
    mergeBytes: WRITE_BYTES[options.bus],
    onBatch: (batch, trigger) => log.debug({ ...batch, trigger }, 'producing'),
  }
  const admission = { admit: parts.admit, keyOf: topicOf }
  const delivery =
    spoolDir === undefined
      ? createDelivery({ ...settings, admit: parts.admit })
      : createSpooled({ ...settings, pushSettles: 'when_written' }, { ...options, spoolDir }, daemon, admission)
  const partners = createPartners(options, daemon)
  return partners === undefined ? delivery : tappedDelivery(delivery, partners, [createAgentTags(state)])
}

function createSpooled(
  settings: DeliveryOptions,
  { spoolDir: dir, spoolLimitMbytes }: CollectorOptions & { spoolDir: string },
  { log, clock, counters }: Daemon,
  admission: { admit: (batch: BatchFigures) => boolean; keyOf: NonNullable<DeliveryOptions['batch']>['keyOf'] & {} },
): Delivery {
  const limitBytes = spoolLimitMbytes * MIB
  // What is on its way is never dropped, so it is only a part of what may be kept.
  const windowBytes = Math.min(settings.queue.limitBytes, limitBytes / 4)
  const inner = createDelivery({ ...settings, queue: { ...settings.queue, limitBytes: windowBytes } })
  return spooledDelivery(inner, { dir, limitBytes, windowBytes, log, clock, counters, admission })
}
