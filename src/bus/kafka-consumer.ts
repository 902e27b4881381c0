import { createBackoff } from '../platform/backoff.js'
import type { Clock } from '../platform/clock.js'
import { ExitCode, messageOf, StatsError } from '../platform/errors.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import type { OnBatch, Subscription } from './bus.js'
import { createKafkaAdmin, type KafkaAdmin } from './kafka-admin.js'
import type { KafkaClient } from './kafka-client.js'
import { isAway, refusalOf } from './kafka-errors.js'
import type { LagBook } from './kafka-lag.js'
import type { KafkaConsumerSettings } from './kafka-options.js'
import { createGroupPlacement, type Placement } from './kafka-placement.js'
import { startPositions } from './kafka-positions.js'
import { createReplayPlacement } from './kafka-replay.js'
import { runSession, type SessionEnd } from './kafka-session.js'
import { isWanted } from './kafka-topics.js'

/** While there is nothing to consume, topics are looked up this often, or each poll period where that is shorter. */
const nothingYetPollMs = 2_000
/** So many sessions in a row that fail although brokers answer: somebody has to look. */
const maxFailedSessions = 10

export interface ConsumerSetup {
  readonly subscription: Subscription
  readonly onBatch: OnBatch
  readonly signal: AbortSignal
  readonly newClient: () => KafkaClient
  readonly settings: KafkaConsumerSettings
  readonly topicPollPeriodMs: number
  readonly lagBook: LagBook
  readonly clock: Clock
  readonly random: () => number
  readonly telemetry: Pick<Telemetry, 'log' | 'counters'>
}

/**
 * Consumes until `signal` is aborted, in one session after the other.
 *
 * @throws StatsError with exit code 69 where Kafka refuses the group or the topics, where a message is compressed in a way that
 *   cannot be read here, or where sessions fail again and again while brokers answer; and whatever error with an
 *   exit code `onBatch` rejects with
 */
export async function consumeKafka(setup: ConsumerSetup): Promise<void> {
  const { signal, clock, random, telemetry } = setup
  const admin = createKafkaAdmin(setup)
  const backoff = createBackoff({ firstMs: 200, maxMs: 5_000, random })
  const place = createPlace(setup, admin)
  let failures = 0
  try {
    while (!signal.aborted) {
      try {
        const { reason, worked, error } = await consumeOnce(setup, admin, await place())
        if (reason === 'finished') break
        if (worked) {
          failures = 0
          backoff.reset()
        }
        if (error !== undefined) throw error
      } catch (error) {
        if (signal.aborted) break
        failures += isAway(error) ? 0 : 1
        throwWhereHopeless(error, failures)
        const waitMs = Math.round(backoff.nextMs())
        telemetry.counters.add('bus.renewals')
        telemetry.log.warn({ waitMs }, `Kafka consumer is replaced by a new one: ${messageOf(error)}`)
        await clock.sleep(waitMs, signal)
      }
    }
  } finally {
    await admin.close()
  }
}

// Worked out once in the life of a subscription: every topic that comes up later is read from its beginning.
function createPlace(setup: ConsumerSetup, admin: KafkaAdmin): () => Promise<Placement> {
  const { group, from, replay, to } = setup.subscription
  const topics = () => lookUpTopics(setup, admin)
  let placement: Placement | undefined
  return async () => {
    if (placement !== undefined) return placement
    if (replay) {
      const replaying = createReplayPlacement({ group, from, to, topics, admin, clock: setup.clock })
      await replaying.prepare()
      placement = replaying
    } else {
      const found = await topics()
      const starts = await admin.ask((asked) => startPositions(asked, group, found, from))
      placement = createGroupPlacement(group, starts, admin)
    }
    return placement
  }
}

async function consumeOnce(setup: ConsumerSetup, admin: KafkaAdmin, placement: Placement): Promise<SessionEnd> {
  const { subscription, signal, clock, topicPollPeriodMs } = setup
  const topics = await waitForTopics(setup, admin)
  if (signal.aborted) return { reason: 'stopped', worked: false }
  if (topics.length === 0) return { reason: 'finished', worked: false }
  return runSession({
    ...setup,
    admin,
    topics,
    placement,
    concurrency: subscription.concurrency ?? 1,
    metadataMaxAgeMs: Math.min(topicPollPeriodMs, 60_000),
    watchTopics: (onChange) => watchTopics(setup, admin, topics, onChange),
    clock,
  })
}

/** The topics to consume; empty only where `signal` is aborted or a replay ends before there is one. */
async function waitForTopics(setup: ConsumerSetup, admin: KafkaAdmin): Promise<string[]> {
  const { subscription, signal, clock, topicPollPeriodMs, telemetry } = setup
  const { topics, to } = subscription
  let found = await lookUpTopics(setup, admin)
  const missing = topics instanceof RegExp ? [] : topics.filter((name) => !found.includes(name))
  if (missing.length > 0) telemetry.log.info({ missing }, 'Topics that Kafka does not have yet; they are waited for')
  else if (found.length === 0)
    telemetry.log.info({ topics: String(topics) }, 'No topic in Kafka matches yet; waiting for one')
  const waitMs = Math.min(topicPollPeriodMs, nothingYetPollMs)
  while (found.length === 0 && !signal.aborted && !(to !== undefined && clock.nowMs() >= to.timeMs)) {
    await clock.sleep(waitMs, signal)
    if (!signal.aborted) found = await lookUpTopics(setup, admin)
  }
  return found
}

/** Sorted, so that two looks can be compared. */
async function lookUpTopics({ subscription }: ConsumerSetup, admin: KafkaAdmin): Promise<string[]> {
  const all = await admin.ask((asked) => asked.listTopics())
  return all.filter((topic) => isWanted(topic, subscription.topics)).sort()
}

function watchTopics(setup: ConsumerSetup, admin: KafkaAdmin, topics: readonly string[], onChange: () => void) {
  const { clock, telemetry, topicPollPeriodMs } = setup
  let looking = false
  const stop = clock.every(topicPollPeriodMs, look)
  return { stop, hurry: look }

  function look(): void {
    if (looking) return
    looking = true
    lookUpTopics(setup, admin)
      .then((now) => {
        if (now.join() === topics.join()) return
        telemetry.log.info(changes(topics, now), 'Topics have changed; the consumer starts over with the new ones')
        onChange()
      })
      .catch((error: unknown) => telemetry.log.debug({ cause: messageOf(error) }, 'Topics could not be looked up'))
      .finally(() => {
        looking = false
      })
  }
}

function changes(before: readonly string[], now: readonly string[]) {
  return {
    added: now.filter((topic) => !before.includes(topic)),
    removed: before.filter((topic) => !now.includes(topic)),
  }
}

function throwWhereHopeless(error: unknown, failures: number): void {
  const refused = refusalOf(error)
  if (refused !== undefined) throw refused
  if (failures < maxFailedSessions) return
  const message = `Kafka answers, but ${failures} consumers in a row failed, the last one with: ${messageOf(error)}`
  throw new StatsError('DS_BUS_STUCK', message, { cause: error, exitCode: ExitCode.unavailable })
}
