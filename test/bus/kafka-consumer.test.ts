import type { KafkaClient } from '../../src/bus/kafka-client.js'
import { consumeKafka } from '../../src/bus/kafka-consumer.js'
import { createLagBook } from '../../src/bus/kafka-lag.js'
import { Counters } from '../../src/telemetry/counters.js'
import { type Log, silentLog } from '../../src/telemetry/log.js'
import { createFakeClock } from '../support/fake-clock.js'

/** Subscribes on brokers that answer questions, with consumers that do what `connect` and `run` say. */
function subscribe({ connect = async () => {} }: { connect?: () => Promise<void> }) {
  const clock = createFakeClock()
  const counters = new Counters()
  const warnings: string[] = []
  const log: Log = { ...silentLog, warn: (_fields: unknown, text?: string) => void warnings.push(String(text)) }
  const stop = new AbortController()
  const admin = { connect: async () => {}, disconnect: async () => {}, listTopics: async () => ['t'] }
  let consumers = 0
  const newClient = () => ({ kafka: { admin: () => admin, consumer }, kill() {} }) as unknown as KafkaClient
  const done = consumeKafka({
    subscription: { topics: ['t'], group: 'g', from: 'earliest' },
    onBatch: async () => {},
    signal: stop.signal,
    newClient,
    settings: {},
    topicPollPeriodMs: 60_000,
    lagBook: createLagBook(),
    clock,
    random: () => 0.5,
    telemetry: { log, counters },
  })
  done.catch(() => {})

  function consumer() {
    consumers++
    const names = ['CRASH', 'RECEIVED_UNSUBSCRIBED_TOPICS', 'GROUP_JOIN', 'END_BATCH_PROCESS']
    return {
      events: Object.fromEntries([...names, 'REQUEST', 'FETCH_START', 'FETCH'].map((name) => [name, name])),
      on: () => () => {},
      connect,
      subscribe: async () => {},
      run: async () => {},
      disconnect: async () => {},
    }
  }

  async function pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1000) await clock.advance(1000)
  }

  return { done, stop, pass, warnings, counters, consumers: () => consumers }
}

const rejecting = (name: string, message: string) => () => Promise.reject(Object.assign(new Error(message), { name }))

test('consumers that fail again and again while brokers answer end the subscription with 69 and the reason', async () => {
  const { done, pass, consumers, counters, warnings } = subscribe({ connect: rejecting('TypeError', 'broken inside') })
  await pass(120_000)
  await expect(done).rejects.toMatchObject({
    code: 'DS_BUS_STUCK',
    exitCode: 69,
    message: expect.stringMatching(/10 consumers in a row failed.*broken inside/),
  })
  expect(consumers()).toBe(10)
  expect(counters.value('bus.renewals')).toBe(9)
  expect(warnings[0]).toBe('Kafka consumer is replaced by a new one: broken inside')
})

test('while no broker answers it goes on trying, and says so each time', async () => {
  const { done, stop, pass, consumers, warnings } = subscribe({
    connect: rejecting('KafkaJSConnectionError', 'connect ECONNREFUSED'),
  })
  await pass(600_000)
  expect(consumers()).toBeGreaterThan(50)
  expect(warnings.at(-1)).toMatch(/ECONNREFUSED/)
  stop.abort()
  await pass(20_000)
  await expect(done).resolves.toBeUndefined()
})

test('what Kafka refuses for good ends it at once', async () => {
  const { done, pass, consumers } = subscribe({
    connect: () => Promise.reject(Object.assign(new Error('not allowed'), { type: 'GROUP_AUTHORIZATION_FAILED' })),
  })
  await pass(5_000)
  await expect(done).rejects.toMatchObject({ code: 'DS_BUS_DENIED', exitCode: 69 })
  expect(consumers()).toBe(1)
})

test('a consumer from which nothing is heard any more is replaced, with the reason', async () => {
  const { done, stop, pass, consumers, warnings } = subscribe({})
  await pass(320_000)
  expect(consumers()).toBe(3)
  expect(warnings[0]).toMatch(/replaced by a new one: the consumer is stuck: no answer from any broker for \d+ ms/)
  stop.abort()
  await pass(20_000)
  await done
})
