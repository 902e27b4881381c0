import { createCipheriv } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Subscription } from '../../src/bus/bus.js'
import type { MessagesRefused } from '../../src/bus/kafka-errors.js'
import { StatsError } from '../../src/platform/errors.js'
import { useKafka } from './support/kafka-broker.js'
import { collect, message, openTestBus, textOf, uniqueName } from './support/kafka-bus.js'

let kafka: Awaited<ReturnType<typeof useKafka>>
let bus: Awaited<ReturnType<typeof openTestBus>>['bus']

beforeAll(async () => {
  kafka = await useKafka()
  bus = (await openTestBus(kafka.brokers)).bus
})

afterAll(async () => {
  await bus?.close()
  await kafka?.stop()
})

test('what is published is consumed, in order, with key, time and offset', async () => {
  const topic = uniqueName('basic')
  const beforeMs = Date.now()
  await bus.publish(topic, [message('a', 'k1'), message('b', 'k1'), message('c', '')])
  const reader = collect(bus, { topics: [topic], group: uniqueName('group'), from: 'earliest' })
  await reader.atLeast(3)
  await reader.stop()
  expect(reader.texts).toEqual(['a', 'b', 'c'])
  expect(reader.messages.map(({ key, offset, partition }) => ({ key, offset, partition }))).toEqual([
    { key: 'k1', offset: 0n, partition: 0 },
    { key: 'k1', offset: 1n, partition: 0 },
    { key: '', offset: 2n, partition: 0 },
  ])
  for (const { timeMs } of reader.messages) expect(Math.abs(timeMs - beforeMs)).toBeLessThan(60_000)
})

test.each([
  'none',
  'gzip',
  'snappy',
] as const)('compressed with %s, messages come back as they were', async (compression) => {
  const { bus: own } = await openTestBus(kafka.brokers, { compression })
  const topic = uniqueName(compression)
  const texts = Array.from({ length: 500 }, (_, n) => `${n} ${'metric.name '.repeat(n % 40)}`)
  await own.publish(
    topic,
    texts.map((text) => message(text)),
  )
  const reader = collect(own, { topics: [topic], group: uniqueName('group'), from: 'earliest' })
  await reader.atLeast(500)
  await reader.stop()
  await own.close()
  expect(reader.texts).toEqual(texts)
})

test.each([
  ['acknowledged by all replicas', { requireAllAcks: true }],
  ['by an idempotent producer', { idempotent: true }],
] as const)('many publishes at once, %s, arrive once each', async (_how, options) => {
  const { bus: own } = await openTestBus(kafka.brokers, options)
  const topic = uniqueName('acks')
  const texts = Array.from({ length: 200 }, (_, n) => `${n}`)
  await Promise.all(texts.map((text) => own.publish(topic, [message(text)])))
  const reader = collect(own, { topics: [topic], group: uniqueName('group'), from: 'earliest' })
  await reader.atLeast(200)
  await reader.stop()
  await own.close()
  expect(reader.texts.toSorted()).toEqual(texts.toSorted())
})

test('a missing topic is created with the partitions asked for, and one key stays in one of them', async () => {
  const { bus: own } = await openTestBus(kafka.brokers, { createTopics: { partitions: 4, replication: 1 } })
  const topic = uniqueName('created')
  await own.publish(
    topic,
    Array.from({ length: 64 }, (_, n) => message(`${n}`, `key${n % 16}`)),
  )
  const reader = collect(own, { topics: [topic], group: uniqueName('group'), from: 'earliest', concurrency: 4 })
  await reader.atLeast(64)
  await reader.stop()
  await own.close()
  const places = new Set(reader.messages.map(({ key, partition }) => `${key} in ${partition}`))
  expect(places.size).toBe(16)
  expect(new Set(reader.messages.map((one) => one.partition)).size).toBeGreaterThan(1)
})

describe('where a group begins', () => {
  test('it goes on behind what it has handled', async () => {
    const subscription = { topics: [uniqueName('commit')], group: uniqueName('group'), from: 'earliest' } as const
    await bus.publish(
      subscription.topics[0]!,
      ['1', '2'].map((text) => message(text)),
    )
    await readUntil(subscription, 2)
    await bus.publish(subscription.topics[0]!, [message('3')])
    expect(await readUntil(subscription, 1)).toEqual(['3'])
  })

  test('latest: not what was there before, but all that came while the group was down', async () => {
    const topic = uniqueName('latest')
    const subscription: Subscription = { topics: [topic], group: uniqueName('group'), from: 'latest' }
    await bus.publish(topic, [message('old')])
    const reader = collect(bus, subscription)
    await positionsOf(1)
    await reader.stop()
    expect(reader.texts).toEqual([])
    await bus.publish(topic, [message('while down')])
    expect(await readUntil(subscription, 1)).toEqual(['while down'])
  })

  test('a time: the first message at or after it', async () => {
    const topic = uniqueName('time')
    await bus.publish(topic, [message('before')])
    await sleep(20)
    const timeMs = Date.now()
    await bus.publish(topic, [message('after')])
    expect(await readUntil({ topics: [topic], group: uniqueName('group'), from: { timeMs } }, 1)).toEqual(['after'])
  })

  test('a topic that appears while the consumer runs is read from its beginning', async () => {
    const prefix = uniqueName('appears')
    await bus.publish(`${prefix}.one`, [message('old')])
    const reader = collect(bus, { topics: new RegExp(`${prefix}\\..*`), group: uniqueName('group'), from: 'latest' })
    await positionsOf(1)
    await bus.publish(
      `${prefix}.two`,
      ['1', '2', '3'].map((text) => message(text)),
    )
    await reader.atLeast(3)
    await reader.stop()
    expect(reader.texts).toEqual(['1', '2', '3'])
  })

  test('a topic that appears while the group is down is read from its beginning', async () => {
    const prefix = uniqueName('meanwhile')
    const subscription: Subscription = {
      topics: new RegExp(`${prefix}-.*`),
      group: uniqueName('group'),
      from: 'latest',
    }
    await bus.publish(`${prefix}-one`, [message('old')])
    const reader = collect(bus, subscription)
    await positionsOf(1)
    await reader.stop()
    await bus.publish(`${prefix}-two`, [message('1'), message('2')])
    expect(await readUntil(subscription, 2)).toEqual(['1', '2'])
  })

  test('a pattern must match the whole name', async () => {
    const prefix = uniqueName('whole')
    await bus.publish(`${prefix}-x`, [message('no')])
    await bus.publish(`${prefix}`, [message('yes')])
    expect(await readUntil({ topics: new RegExp(prefix), group: uniqueName('group'), from: 'earliest' }, 1)).toEqual([
      'yes',
    ])
  })

  test('a topic that is not there yet is waited for, said once, and not created by looking for it', async () => {
    const { bus: own, log } = await openTestBus(kafka.brokers)
    const topic = uniqueName('late')
    const reader = collect(own, { topics: [topic], group: uniqueName('group'), from: 'latest' })
    await sleep(2_000)
    expect(log.lines.filter(({ text }) => /waited for/.test(text))).toMatchObject([{ fields: { missing: [topic] } }])
    const other = collect(own, { topics: /.*/, group: uniqueName('group'), from: 'earliest' })
    await other.atLeast(1)
    await other.stop()
    expect(other.messages.map((one) => one.topic)).not.toContain(topic)
    await own.publish(topic, [message('1')])
    await reader.atLeast(1)
    await reader.stop()
    await own.close()
  })
})

describe('a batch that is rejected', () => {
  test('comes again, and the position stays until it is taken', async () => {
    const topic = uniqueName('again')
    await bus.publish(topic, [message('1'), message('2')])
    const seen: string[] = []
    const stopping = new AbortController()
    const done = bus.subscribe(
      { topics: [topic], group: uniqueName('group'), from: 'earliest' },
      async (messages) => {
        seen.push(messages.map(textOf).join())
        if (seen.length < 3) throw new Error('the sink is away')
        stopping.abort()
      },
      stopping.signal,
    )
    await done
    expect(seen).toEqual(['1,2', '1,2', '1,2'])
  })

  test('ends the subscription where the error has an exit code, and nothing is committed', async () => {
    const topic = uniqueName('fatal')
    const subscription: Subscription = { topics: [topic], group: uniqueName('group'), from: 'earliest' }
    await bus.publish(topic, [message('1')])
    const fatal = new StatsError('DS_SINK_AUTH', 'wrong password', { exitCode: 69 })
    const reject = () => Promise.reject(fatal)
    await expect(bus.subscribe(subscription, reject, new AbortController().signal)).rejects.toBe(fatal)
    expect(await readUntil(subscription, 1)).toEqual(['1'])
  })
})

describe('a replay', () => {
  test('reads the span of time once, ends, and leaves the group where it was', async () => {
    const topic = uniqueName('replay')
    const group = uniqueName('group')
    await bus.publish(topic, [message('too early')])
    await sleep(20)
    const fromMs = Date.now()
    await bus.publish(
      topic,
      ['1', '2', '3'].map((text) => message(text)),
    )
    await sleep(20)
    const toMs = Date.now()
    await bus.publish(topic, [message('too late')])
    await readUntil({ topics: [topic], group, from: 'earliest' }, 5)
    const replay = { topics: [topic], group, from: { timeMs: fromMs }, replay: true, to: { timeMs: toMs } } as const
    const reader = collect(bus, replay)
    await reader.done
    expect(reader.texts).toEqual(['1', '2', '3'])
    await bus.publish(topic, [message('new')])
    expect(await readUntil({ topics: [topic], group, from: 'earliest' }, 1)).toEqual(['new'])
  })

  test('of topics that are not there ends at once', async () => {
    const topics = [uniqueName('none')]
    const to = { timeMs: Date.now() }
    await collect(bus, { topics, group: uniqueName('group'), from: 'earliest', replay: true, to }).done
  })
})

describe('what Kafka refuses', () => {
  test.each([
    ['a space', 'with space'],
    ['a letter beyond ASCII', 'métriques'],
    ['nothing', ''],
    ['a dot alone', '.'],
    ['250 characters', 'x'.repeat(250)],
  ])('a topic name of %s', async (_what, topic) => {
    await expect(bus.publish(topic, [message('1')])).rejects.toMatchObject({ code: 'DS_BUS_TOPIC_INVALID' })
  })

  test('one message that is too large is named, and the others of the publish arrive', async () => {
    const topic = uniqueName('large')
    const large = { key: 'k', bytes: randomBytesOf(1_200_000) }
    const error = await bus.publish(topic, [message('1'), large, message('2')]).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'DS_BUS_MESSAGE_TOO_LARGE' })
    expect((error as MessagesRefused).refused[0]).toBe(large)
    expect(await readUntil({ topics: [topic], group: uniqueName('group'), from: 'earliest' }, 2)).toEqual(['1', '2'])
  })

  test('nothing of many messages that are too large only together', async () => {
    const topic = uniqueName('many')
    await bus.publish(
      topic,
      Array.from({ length: 30 }, (_, n) => ({ key: `${n}`, bytes: randomBytesOf(100_000, n) })),
    )
    await readUntil({ topics: [topic], group: uniqueName('group'), from: 'earliest' }, 30)
  })
})

describe('a group of several members', () => {
  test('whose members read different topics leaves no topic out', async () => {
    const prefix = uniqueName('different')
    const group = uniqueName('group')
    const second = await openTestBus(kafka.brokers)
    await bus.publish(`${prefix}-a`, [message('a1')])
    await bus.publish(`${prefix}-b`, [message('b1')])
    const readerA = collect(bus, { topics: [`${prefix}-a`], group, from: 'earliest' })
    await readerA.atLeast(1)
    const readerB = collect(second.bus, { topics: [`${prefix}-b`], group, from: 'earliest' })
    await readerB.atLeast(1)
    await bus.publish(`${prefix}-a`, [message('a2')])
    await readerA.atLeast(2)
    await Promise.all([readerA.stop(), readerB.stop()])
    await second.bus.close()
    expect([readerA.texts, readerB.texts]).toEqual([['a1', 'a2'], ['b1']])
  })

  test('reads a new topic as soon as one of them has found it', async () => {
    const prefix = uniqueName('found')
    const subscription: Subscription = {
      topics: new RegExp(`${prefix}-.`),
      group: uniqueName('group'),
      from: 'earliest',
    }
    await bus.publish(`${prefix}-a`, [message('a')])
    const leader = await openTestBus(kafka.brokers, { topicPollPeriodMs: 600_000 })
    const slow = collect(leader.bus, subscription)
    await slow.atLeast(1)
    const quick = collect(bus, subscription)
    await bus.publish(`${prefix}-b`, [message('b')])
    await quick.atLeast(1)
    await Promise.all([slow.stop(), quick.stop()])
    await leader.bus.close()
    expect([...slow.texts, ...quick.texts].toSorted()).toEqual(['a', 'b'])
  })

  test('shares the partitions, and a rebalance during a slow batch loses and repeats nothing', async () => {
    const { bus: own } = await openTestBus(kafka.brokers, { createTopics: { partitions: 4, replication: 1 } })
    const topic = uniqueName('shared')
    const subscription: Subscription = { topics: [topic], group: uniqueName('group'), from: 'earliest', concurrency: 2 }
    await own.publish(
      topic,
      Array.from({ length: 40 }, (_, n) => message(`${n}`, `${n}`)),
    )
    const seen: string[] = []
    const stopping = new AbortController()
    let firstBatch: () => void = () => {}
    const begun = new Promise<void>((go) => {
      firstBatch = go
    })
    // Longer than the session timeout of 10 s would not prove more than longer than some heartbeats does.
    const slow = own.subscribe(
      subscription,
      async (messages) => {
        firstBatch()
        await sleep(4_000)
        seen.push(...messages.map(textOf))
      },
      stopping.signal,
    )
    await begun
    const second = await openTestBus(kafka.brokers)
    const other = collect(second.bus, subscription)
    await own.publish(
      topic,
      Array.from({ length: 40 }, (_, n) => message(`${40 + n}`, `${n}`)),
    )
    while (new Set([...seen, ...other.texts]).size < 80) await sleep(100)
    stopping.abort()
    await Promise.all([slow, other.stop()])
    await second.bus.close()
    await own.close()
    expect(other.texts.length).toBeGreaterThan(0)
    expect([...seen, ...other.texts].toSorted()).toEqual(Array.from({ length: 80 }, (_, n) => `${n}`).toSorted())
  })
})

test('the lag tells what has not been handled yet', async () => {
  const { bus: own } = await openTestBus(kafka.brokers)
  const topic = uniqueName('lag')
  await own.publish(topic, [message('1')])
  let release: () => void = () => {}
  const stopping = new AbortController()
  const held = new Promise<void>((go) => {
    release = go
  })
  const done = own.subscribe(
    { topics: [topic], group: uniqueName('group'), from: 'earliest' },
    () => held,
    stopping.signal,
  )
  while (own.lag()[0]?.messages !== 1) await sleep(20)
  expect(own.lag()).toEqual([{ topic, partition: 0, messages: 1 }])
  release()
  while (own.lag()[0]?.messages !== 0) await sleep(20)
  stopping.abort()
  await done
  expect(own.lag()).toEqual([])
  await own.close()
})

async function readUntil(subscription: Subscription, count: number): Promise<string[]> {
  const reader = collect(bus, subscription)
  await reader.atLeast(count)
  await reader.stop()
  return reader.texts
}

/** Resolves once the bus has taken its places in so many partitions. */
async function positionsOf(count: number): Promise<void> {
  while (bus.lag().length < count) await sleep(20)
}

/** Bytes that do not shrink by compression, others for each `seed`. */
function randomBytesOf(length: number, seed = 0): Buffer {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16, seed))
  return cipher.update(Buffer.alloc(length))
}
