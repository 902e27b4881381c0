import { setTimeout as sleep } from 'node:timers/promises'
import kj from 'kafkajs'
import type { Bus } from '../../src/bus/bus.js'
import type { KafkaOptions } from '../../src/bus/kafka-options.js'
import { StatsError } from '../../src/platform/errors.js'
import { type KafkaBroker, startKafkaBroker } from './support/kafka-broker.js'
import { collect, createTestBus, message, openTestBus, uniqueName } from './support/kafka-bus.js'

let kafka: KafkaBroker

beforeAll(async () => {
  kafka = await startKafkaBroker()
})

afterAll(() => kafka?.stop())

/** Gives up early, so that a short outage is a long one. */
const impatient: Partial<KafkaOptions> = {
  requestTimeoutMs: 5_000,
  publishTimeoutMs: 3_000,
  consumer: { watchdogMs: 1_000, sessionTimeoutMs: 6_000, rebalanceTimeoutMs: 6_000 },
}

describe('numbered messages, one every 20 ms: each one is consumed', () => {
  test('while the broker is killed and restarted, none rejected', async () => {
    const outage = async () => {
      await kafka.kill()
      await sleep(5_000)
      await kafka.start()
    }
    const { rejected, missing } = await sendThrough(outage, {})
    expect({ rejected, missing }).toEqual({ rejected: 0, missing: [] })
  })

  test('while the broker is away for so long that sends are rejected and the consumer is renewed', async () => {
    const outage = async () => {
      await kafka.kill()
      await sleep(15_000)
      await kafka.start()
    }
    const { rejected, missing, log } = await sendThrough(outage, impatient)
    expect(missing).toEqual([])
    expect(rejected).toBeGreaterThan(0)
    expect(log.some(({ text }) => text.startsWith('Kafka consumer is replaced by a new one'))).toBe(true)
  })

  test('while the broker hangs with its connections open', async () => {
    const outage = async () => {
      kafka.freeze()
      await sleep(12_000)
      kafka.thaw()
    }
    const { rejected, missing } = await sendThrough(outage, impatient)
    expect(missing).toEqual([])
    expect(rejected).toBeGreaterThan(0)
  })
})

test('a program that starts before the broker waits for it and tells once in a while', async () => {
  await kafka.kill()
  const { bus, log } = createTestBus(kafka.brokers)
  const opened = bus.open(new AbortController().signal)
  await sleep(3_000)
  await kafka.start()
  await opened
  const topic = uniqueName('early')
  await bus.publish(topic, [message('1')])
  await bus.close()
  const told = log.lines.filter(({ text }) => text.includes('nothing listens there'))
  expect(told.length).toBeGreaterThan(0)
  expect(told.length).toBeLessThan(8)
})

test('a topic that is deleted is not created again by its readers, and the other topics go on', async () => {
  const prefix = uniqueName('deleted')
  const { bus } = await openTestBus(kafka.brokers)
  await bus.publish(`${prefix}-a`, [message('a1')])
  await bus.publish(`${prefix}-b`, [message('b1')])
  const reader = collect(bus, { topics: new RegExp(`${prefix}-.`), group: uniqueName('group'), from: 'earliest' })
  await reader.atLeast(2)
  const admin = new kj.Kafka({ brokers: [...kafka.brokers], logLevel: kj.logLevel.NOTHING }).admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [`${prefix}-a`] })
  await sleep(5_000)
  expect(await admin.listTopics()).not.toContain(`${prefix}-a`)
  await bus.publish(`${prefix}-b`, [message('b2')])
  await reader.atLeast(3)
  await reader.stop()
  await admin.disconnect()
  await bus.close()
})

test('what the broker has deleted meanwhile is stepped over: the consumer goes on with the oldest there is', async () => {
  const topic = uniqueName('retention')
  const { bus } = await openTestBus(kafka.brokers)
  const subscription = { topics: [topic], group: uniqueName('group'), from: 'earliest' } as const
  await bus.publish(topic, [message('1')])
  const first = collect(bus, subscription)
  await first.atLeast(1)
  await first.stop()
  await bus.publish(
    topic,
    ['2', '3', '4'].map((text) => message(text)),
  )
  const admin = new kj.Kafka({ brokers: [...kafka.brokers], logLevel: kj.logLevel.NOTHING }).admin()
  await admin.connect()
  // It only deletes from topics that it has heard of.
  await admin.fetchTopicOffsets(topic)
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '3' }] })
  await admin.disconnect()
  const second = collect(bus, subscription)
  await second.atLeast(1)
  await second.stop()
  await bus.close()
  expect(second.texts).toEqual(['4'])
})

async function sendThrough(outage: () => Promise<void>, options: Partial<KafkaOptions>) {
  const { bus, log } = await openTestBus(kafka.brokers, options)
  const topic = uniqueName('numbered')
  const reader = collect(bus, { topics: [topic], group: uniqueName('group'), from: 'earliest' })
  const running = { sending: true }
  const sent = sendNumbers(bus, topic, running)
  await reader.atLeast(50)
  await outage()
  await reader.atLeast(new Set(reader.texts).size + 200)
  running.sending = false
  const { count, rejected } = await sent
  await reader.atLeast(count)
  await reader.stop()
  await bus.close()
  const seen = new Set(reader.texts)
  const missing = Array.from({ length: count }, (_, n) => `${n}`).filter((text) => !seen.has(text))
  return { rejected, missing, count, repeated: reader.texts.length - count, log: log.lines }
}

/** Sends without waiting for the one before, and again what is rejected, for as long as `running.sending`. */
async function sendNumbers(bus: Bus, topic: string, running: { sending: boolean }) {
  const sending: Promise<void>[] = []
  let rejected = 0
  let count = 0
  for (; running.sending; count++) {
    sending.push(sendForSure(`${count}`))
    await sleep(20)
  }
  await Promise.all(sending)
  return { count, rejected }

  async function sendForSure(text: string): Promise<void> {
    for (;;) {
      try {
        return await bus.publish(topic, [message(text)])
      } catch (error) {
        if (error instanceof StatsError && error.exitCode !== undefined) throw error
        rejected += 1
        await sleep(200)
      }
    }
  }
}
