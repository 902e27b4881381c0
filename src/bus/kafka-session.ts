import type { Consumer, ConsumerGroupJoinEvent, EachBatchPayload } from 'kafkajs'
import type { Clock } from '../platform/clock.js'
import { StatsError } from '../platform/errors.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import type { OnBatch } from './bus.js'
import type { KafkaAdmin } from './kafka-admin.js'
import { subscriberAssigner } from './kafka-assigner.js'
import { handleBatch } from './kafka-batch.js'
import type { KafkaClient } from './kafka-client.js'
import { settledWithin } from './kafka-deadline.js'
import type { LagBook } from './kafka-lag.js'
import type { KafkaConsumerSettings } from './kafka-options.js'
import type { Partition, Placement } from './kafka-placement.js'
import { partitionKey } from './kafka-positions.js'
import { watchConsumer } from './kafka-watchdog.js'

/** For leaving the group in peace; a session that failed may have nobody to say it to. */
const disconnectMs = { afterFailure: 1_000, otherwise: 5_000 }
const lagPeriodMs = 15_000

export interface SessionSetup {
  readonly topics: readonly string[]
  readonly placement: Placement
  readonly concurrency: number
  readonly onBatch: OnBatch
  readonly signal: AbortSignal
  readonly settings: KafkaConsumerSettings
  readonly metadataMaxAgeMs: number
  readonly newClient: () => KafkaClient
  readonly admin: KafkaAdmin
  readonly lagBook: LagBook
  /** Calls back when other topics are to be consumed; told `hurry` where the group already divides a new one. */
  readonly watchTopics: (onChange: () => void) => { stop(): void; hurry(): void }
  readonly clock: Clock
  readonly random: () => number
  readonly telemetry: Pick<Telemetry, 'log' | 'counters'>
}

export interface SessionEnd {
  readonly reason: 'stopped' | 'finished' | 'topics-changed' | 'failed'
  readonly error?: unknown
  /** Whether it handled a message, or lived for a minute without one. */
  readonly worked: boolean
}

/**
 * One kafkajs consumer for a fixed set of topics, from its connection to its end. Whatever changes or fails, a new session
 * follows: kafkajs resolves topics once, and does not always survive what it survives on paper.
 */
export async function runSession(setup: SessionSetup): Promise<SessionEnd> {
  const { settings, signal, clock, telemetry, lagBook, placement } = setup
  const client = setup.newClient()
  const consumer = createConsumer(client, setup)
  // Joining waits for the slowest member of the group.
  const stuckMs = (settings.watchdogMs ?? 60_000) + (settings.rebalanceTimeoutMs ?? 60_000)
  const ending = createEnding()
  const running = createRunning()
  const startedMs = clock.monotonicMs()

  const topicWatch = setup.watchTopics(() => ending.end({ reason: 'topics-changed' }))
  const stopWatching = watchConsumer({
    consumer,
    limitMs: stuckMs,
    isBusy: () => running.count > 0,
    onStuck: (reason) => fail(new StatsError('DS_BUS_STUCK', `the consumer is stuck: ${reason}`)),
    clock,
  })
  const stopLagging = clock.every(lagPeriodMs, () => void checkLag())
  const stopEndWatch = placement.watchEnd(() => ending.end({ reason: 'finished' }))
  const onAbort = () => ending.end({ reason: 'stopped' })
  signal.addEventListener('abort', onAbort, { once: true })
  consumer.on(consumer.events.CRASH, ({ payload }) => fail(payload.error))
  consumer.on(consumer.events.RECEIVED_UNSUBSCRIBED_TOPICS, () => topicWatch.hurry())
  consumer.on(consumer.events.GROUP_JOIN, onJoin)
  // kafkajs steps over batches without messages by itself; the book has to know.
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { topic, partition, lastOffset } }) => {
    lagBook.committed(topic, partition, BigInt(lastOffset) + 1n, clock.monotonicMs())
  })

  const started = start()
  started.catch(fail)
  const end = await ending.ended
  await stop(end.reason === 'failed' ? disconnectMs.afterFailure : disconnectMs.otherwise)
  return { ...end, worked: running.handled > 0 || clock.monotonicMs() - startedMs > 60_000 }

  async function start(): Promise<void> {
    await consumer.connect()
    telemetry.counters.add('bus.sessions_opened')
    await consumer.subscribe({ topics: [...setup.topics], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: setup.concurrency,
      eachBatch: (payload) => running.during(() => onFetched(payload)),
    })
  }

  function onFetched(payload: EachBatchPayload): Promise<void> {
    const { topic, partition, highWatermark } = payload.batch
    return handleBatch(payload, {
      onBatch: setup.onBatch,
      signal,
      maxBatchMessages: settings.maxBatchMessages ?? 1_000,
      heartbeatIntervalMs: settings.heartbeatIntervalMs ?? 1_000,
      select: placement.select,
      store: async (next) => {
        await placement.store(payload, { topic, partition }, next)
        lagBook.committed(topic, partition, next, clock.monotonicMs())
        lagBook.seen(topic, partition, BigInt(highWatermark))
      },
      fail,
      clock,
      random: setup.random,
      log: telemetry.log,
    })
  }

  // Runs before the first fetch of the new generation, so what is paused here is not fetched too early.
  function onJoin({ payload: { memberAssignment } }: ConsumerGroupJoinEvent): void {
    const assigned = Object.entries(memberAssignment).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition })),
    )
    lagBook.assign(assigned)
    telemetry.log.info(
      { group: placement.group, partitions: assigned.length },
      'Kafka gave this consumer its partitions',
    )
    const fresh = assigned.filter(placement.needsStart)
    if (fresh.length === 0) return void checkLag()
    consumer.pause(asPartitions(fresh))
    placement
      .takeStarts(consumer, fresh)
      .then(() => consumer.resume(asPartitions(fresh)))
      .then(checkLag, fail)
  }

  // kafkajs can forget one partition and go on with the others.
  async function checkLag(): Promise<void> {
    await refreshLag(setup).catch(() => {})
    const [forgotten] = running.count > 0 ? [] : lagBook.unmoved(clock.monotonicMs() - 2 * stuckMs)
    if (forgotten === undefined) return
    const { topic, partition, messages } = forgotten
    const what = `${messages} messages of topic ${topic}, partition ${partition}, are not fetched`
    fail(new StatsError('DS_BUS_STUCK', `the consumer is stuck: ${what}`))
  }

  function fail(error: unknown): void {
    ending.end({ reason: 'failed', error })
  }

  async function stop(limitMs: number): Promise<void> {
    signal.removeEventListener('abort', onAbort)
    topicWatch.stop()
    stopEndWatch()
    stopWatching()
    stopLagging()
    // kafkajs leaves the group only once it has joined; a member that is just gone holds up the others until it expires.
    await settledWithin(clock, limitMs, started)
    const disconnected = consumer.disconnect().catch(() => {})
    // A batch that is being written may take its time, kafkajs may not.
    await Promise.race([disconnected, running.idle()])
    await settledWithin(clock, limitMs, disconnected)
    client.kill()
    await running.idle()
    lagBook.assign([])
    telemetry.counters.add('bus.sessions_closed')
  }
}

function createConsumer({ kafka }: KafkaClient, { placement, settings, metadataMaxAgeMs }: SessionSetup): Consumer {
  return kafka.consumer({
    groupId: placement.group,
    partitionAssigners: [subscriberAssigner],
    sessionTimeout: settings.sessionTimeoutMs ?? 10_000,
    rebalanceTimeout: settings.rebalanceTimeoutMs ?? 60_000,
    heartbeatInterval: settings.heartbeatIntervalMs ?? 1_000,
    maxBytes: settings.maxBytes ?? 10 * 1024 * 1024,
    maxBytesPerPartition: settings.maxBytesPerPartition ?? 1024 * 1024,
    minBytes: settings.minBytes ?? 1,
    maxWaitTimeInMs: settings.maxWaitMs ?? 500,
    metadataMaxAge: metadataMaxAgeMs,
    // Asking for a topic that is missing would create it.
    allowAutoTopicCreation: false,
    // What kafkajs gives up, a new session takes up. Its count of retries is never set back, so it must not be small.
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 10_000, restartOnFailure: async () => false },
  })
}

async function refreshLag({ admin, placement, lagBook, clock }: SessionSetup): Promise<void> {
  const assigned = lagBook.assigned()
  const topics = [...new Set(assigned.map(({ topic }) => topic))]
  const positions = await placement.positions(topics)
  const known = new Set(lagBook.read().map(({ topic, partition }) => partitionKey(topic, partition)))
  for (const topic of topics) {
    for (const { partition, high, low } of await admin.ask((asked) => asked.fetchTopicOffsets(topic))) {
      const key = partitionKey(topic, partition)
      const next = positions.get(key) ?? BigInt(low)
      if (!known.has(key)) lagBook.committed(topic, partition, next, clock.monotonicMs())
      lagBook.seen(topic, partition, BigInt(high))
    }
  }
}

function asPartitions(partitions: readonly Partition[]): { topic: string; partitions: number[] }[] {
  return partitions.map(({ topic, partition }) => ({ topic, partitions: [partition] }))
}

function createEnding() {
  let end: (end: Omit<SessionEnd, 'worked'>) => void = () => {}
  const ended = new Promise<Omit<SessionEnd, 'worked'>>((resolve) => {
    end = resolve
  })
  return { ended, end }
}

/** Batches that are with `onBatch` right now. */
function createRunning() {
  const waiting: (() => void)[] = []
  const running = {
    count: 0,
    handled: 0,
    async during<T>(work: () => Promise<T>): Promise<T> {
      running.count += 1
      try {
        const result = await work()
        running.handled += 1
        return result
      } finally {
        running.count -= 1
        if (running.count === 0) for (const go of waiting.splice(0)) go()
      }
    },
    idle: () => (running.count === 0 ? Promise.resolve() : new Promise<void>((go) => waiting.push(go))),
  }
  return running
}
