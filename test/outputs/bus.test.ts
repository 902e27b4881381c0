import type { Bus, OutgoingMessage } from '../../src/bus/bus.js'
import { decodeContainerFile } from '../../src/codec/avro-ocf.js'
import { decodeDatapoints, encodeDatapoints } from '../../src/codec/datapoints.js'
import type { MetricList, Tag } from '../../src/model/metric-list.js'
import { createBusSink } from '../../src/outputs/bus.js'
import { StatsError } from '../../src/platform/errors.js'
import { createTopicRule } from '../../src/tagging/topic.js'
import { Counters } from '../../src/telemetry/counters.js'
import { startReader, uniqueName } from '../support/bus-contract.js'
import { runSinkContract } from '../support/sink-contract.js'
import { makeTempBus } from '../support/temp-bus.js'

const never = new AbortController().signal
const topicOf = createTopicRule({ prefix: 'metrics-' })

describe('the embedded bus as a sink', () => {
  runSinkContract({
    takesNotFinite: true,
    passesUnread: true,
    async present() {
      const temp = await makeTempBus()
      const reading = await temp.open()
      const reader = startReader(reading, { topics: /metrics-.*/, group: uniqueName('g') })
      const values = () =>
        reader.messages.flatMap(({ bytes }) => decodeContainerFile(bytes).lists).flatMap((list) => valuesOf(list))
      return {
        sink: createBusSink({ bus: temp.create(), topicOf, counters: new Counters() }),
        async values(count) {
          while (values().length < count) await reader.until(reader.messages.length + 1)
          return values()
        },
        async dispose() {
          await reader.stop()
          await temp.remove()
        },
      }
    },
  })
})

describe('what is published', () => {
  test('lists with the same topic and key share one message, keyed by container_id, else agent_id', async () => {
    const { bus, published } = fakeBus()
    const sink = createBusSink({ bus, topicOf, counters: new Counters() })
    const result = await sink.write(
      [
        list('a', [1], { container_id: 'c1', agent_id: 'x' }),
        list('a', [2], { container_id: 'c2', agent_id: 'x' }),
        list('a', [3], { container_id: 'c1', agent_id: 'x' }),
        list('agent', [4], { agent_id: 'x' }),
        list('other', [5], {}),
      ],
      never,
    )
    expect(result).toEqual({ status: 'sent', datapoints: 5 })
    expect(published.map(({ topic, key, values }) => [topic, key, values])).toEqual([
      ['metrics-a', 'c1', [1, 3]],
      ['metrics-a', 'c2', [2]],
      ['metrics-agent', 'x', [4]],
      ['metrics-other', '', [5]],
    ])
  })

  test('lists with the same topic and tags are one in their message', async () => {
    const { bus, published } = fakeBus()
    const [x, y] = [list('a', [1], { route: 'x' }), list('a', [2], { route: 'y' })]
    const again = { ...x, datapoints: points([3, 4]) }
    const result = await createBusSink({ bus, topicOf, counters: new Counters() }).write([x, y, again], never)
    expect(result).toEqual({ status: 'sent', datapoints: 4 })
    expect(published.map(({ lists }) => lists)).toEqual([[[1, 3, 4], [2]]])
  })

  test('lists and bytes are counted in total and by topic once the bus has taken them', async () => {
    const { bus, published } = fakeBus()
    const counters = new Counters()
    await createBusSink({ bus, topicOf, counters }).write([list('a', [1]), list('a', [2]), list('b', [3])], never)
    const bytesOf = (topic?: string) => {
      const those = published.filter((one) => topic === undefined || one.topic === topic)
      return those.reduce((sum, one) => sum + one.bytes, 0)
    }
    expect(counters.value('collector.kafka_output.avro_records_sent')).toBe(3)
    expect(counters.value('collector.kafka_output.avro_records_sent', 'metrics-a')).toBe(2)
    expect(counters.value('collector.kafka_output.messages_sent', 'metrics-a')).toBe(1)
    expect(counters.value('collector.kafka_output.bytes_sent')).toBe(bytesOf())
    expect(counters.value('collector.kafka_output.bytes_sent', 'metrics-b')).toBe(bytesOf('metrics-b'))
  })

  test('a message above the limit is split between lists, and inside of a list', async () => {
    const { bus, published } = fakeBus()
    const sink = createBusSink({ bus, topicOf, counters: new Counters(), maxMessageBytes: 4000 })
    const many = Array.from({ length: 40 }, (_, at) => list('a', [at]))
    const long = list('a', upTo(1000))
    expect(await sink.write([...many, long], never)).toEqual({ status: 'sent', datapoints: 1040 })
    expect(published.length).toBeGreaterThan(2)
    expect(Math.max(...published.map(({ bytes }) => bytes))).toBeLessThanOrEqual(4000)
    expect(published.flatMap(({ values }) => values)).toEqual([...upTo(40), ...upTo(1000)])
  })

  test('what the bus refuses as too large is halved until it goes through; one datapoint alone is dropped', async () => {
    const huge = 'n'.repeat(3000)
    const { bus, published } = fakeBus({ largestBytes: 2000 })
    const counters = new Counters()
    const sink = createBusSink({ bus, topicOf, counters })
    const lists = [list('a', upTo(100)), { ...list('a', [7]), datapoints: points([7], huge) }, list('b', [8])]
    const result = await sink.write(lists, never)
    expect(result).toMatchObject({ status: 'sent', datapoints: 101, dropped: [{ datapoints: 1, reason: 'too_large' }] })
    expect(published.flatMap(({ values }) => values).sort((a, b) => a - b)).toEqual(
      [...upTo(100), 8].sort((a, b) => a - b),
    )
    expect(counters.value('collector.kafka_output.messages_sent')).toBe(published.length)
  })

  test('a bus that refuses some messages of a publish has the others: they are not sent again', async () => {
    const { bus, published } = fakeBus({ largestBytes: 1500, takesOthers: true })
    const sink = createBusSink({ bus, topicOf, counters: new Counters() })
    const lists = [list('a', upTo(60), { container_id: 'large' }), list('a', [100], { container_id: 'small' })]
    expect(await sink.write(lists, never)).toEqual({ status: 'sent', datapoints: 61 })
    expect(published.flatMap(({ values }) => values).filter((value) => value === 100)).toEqual([100])
  })

  test('a topic that the bus will never take is dropped, the others of the write are sent', async () => {
    const invalid = new StatsError('DS_BUS_TOPIC_INVALID', 'no topic')
    const { bus, published } = fakeBus({ fails: invalid, failsFor: 'metrics-a' })
    const sink = createBusSink({ bus, topicOf, counters: new Counters() })
    expect(await sink.write([list('a', [1, 2]), list('b', [3])], never)).toEqual({
      status: 'sent',
      datapoints: 1,
      dropped: [{ datapoints: 2, reason: 'rejected_by_sink', cause: invalid }],
    })
    expect(published.map(({ topic }) => topic)).toEqual(['metrics-b'])
  })

  test('a bus that is away means retry, and nothing is counted as sent for that topic', async () => {
    const cause = new StatsError('DS_BUS_FULL', 'no room')
    const counters = new Counters()
    const sink = createBusSink({ bus: fakeBus({ fails: cause }).bus, topicOf, counters })
    expect(await sink.write([list('a', [1])], never)).toEqual({ status: 'retry', cause })
    expect(counters.value('collector.kafka_output.avro_records_sent')).toBe(0)
  })

  test('of a write that comes again, only what the bus did not acknowledge is published again', async () => {
    const script: { fails?: Error; failsFor?: string } = { fails: new Error('no answer'), failsFor: 'metrics-a' }
    const { bus, published } = fakeBus(script)
    const sink = createBusSink({ bus, topicOf, counters: new Counters() })
    const lists = [list('a', [1, 2]), list('b', [3]), list('c', [4])]
    expect(await sink.write(lists, never)).toMatchObject({ status: 'retry' })
    script.failsFor = 'metrics-b'
    expect(await sink.write(lists, never)).toEqual({ status: 'sent', datapoints: 4, repeated: 2 })
    expect(published.map(({ topic }) => topic)).toEqual(['metrics-b', 'metrics-c', 'metrics-a'])
    delete script.fails
    expect(await sink.write(lists, never)).toEqual({ status: 'sent', datapoints: 4 })
  })

  test('what the bus gives to its peer once more by itself is repeated, too, whether it succeeds or not', async () => {
    const script: { fails?: Error; repeats: number } = { repeats: 2 }
    const { bus } = fakeBus(script)
    const sink = createBusSink({ bus, topicOf, counters: new Counters() })
    const lists = [list('a', [1, 2], { container_id: 'c1' }), list('a', [3], { container_id: 'c2' })]
    expect(await sink.write(lists, never)).toEqual({ status: 'sent', datapoints: 3, repeated: 6 })
    script.fails = new Error('no answer')
    expect(await sink.write(lists, never)).toMatchObject({ status: 'retry', repeated: 6 })
    expect(await sink.write(lists, never)).toMatchObject({ status: 'retry', repeated: 9 })
  })

  test('drops of a topic that had been taken count when the write has succeeded', async () => {
    const script: { fails?: Error; failsFor?: string; largestBytes: number } = {
      fails: new Error('no answer'),
      failsFor: 'metrics-b',
      largestBytes: 2000,
    }
    const { bus } = fakeBus(script)
    const sink = createBusSink({ bus, topicOf, counters: new Counters() })
    const lists = [{ ...list('a', [7]), datapoints: points([7], 'n'.repeat(3000)) }, list('b', [8])]
    expect(await sink.write(lists, never)).toMatchObject({ status: 'retry' })
    delete script.fails
    const dropped = [expect.objectContaining({ datapoints: 1, reason: 'too_large' })]
    expect(await sink.write(lists, never)).toEqual({ status: 'sent', datapoints: 1, repeated: 1, dropped })
  })

  test('a list that is cut to fit is known again as well', async () => {
    const script: { fails?: Error; failsFor?: string } = { fails: new Error('no answer'), failsFor: 'metrics-b' }
    const { bus, published } = fakeBus(script)
    const sink = createBusSink({ bus, topicOf, counters: new Counters(), maxMessageBytes: 3000 })
    const lists = [
      { ...list('a', []), datapoints: points(upTo(4), 'n'.repeat(1000)) },
      { ...list('b', []), datapoints: points(upTo(4), 'n'.repeat(1000)) },
    ]
    expect(await sink.write(lists, never)).toMatchObject({ status: 'retry' })
    delete script.fails
    expect(await sink.write(lists, never)).toEqual({ status: 'sent', datapoints: 8, repeated: 4 })
    const topics = published.map(({ topic }) => topic)
    expect(topics.length).toBeGreaterThan(2)
    expect(topics).toEqual(topics.toSorted())
    expect(published.flatMap(({ values }) => values)).toEqual([...upTo(4), ...upTo(4)])
  })

  test('any number of keys have a message each, write after write', async () => {
    const { bus, published } = fakeBus()
    const sink = createBusSink({ bus, topicOf, counters: new Counters() })
    const lists = upTo(10_500).map((number) => list('a', [number], { container_id: String(number) }))
    for (let round = 0; round < 2; round++) {
      await sink.write(lists, never)
      expect(published.splice(0).map(({ key, values }) => [key, values])).toEqual(
        upTo(10_500).map((number) => [String(number), [number]]),
      )
    }
  })

  test('what a bus certainly did not store is not called repeated', async () => {
    const script: { fails?: Error } = { fails: new StatsError('DS_BUS_FULL', 'no room') }
    const sink = createBusSink({ bus: fakeBus(script).bus, topicOf, counters: new Counters() })
    expect(await sink.write([list('a', [1])], never)).toMatchObject({ status: 'retry' })
    delete script.fails
    expect(await sink.write([list('a', [1])], never)).toEqual({ status: 'sent', datapoints: 1 })
  })

  test('an error with an exit code ends the process', async () => {
    const refusal = new StatsError('DS_BUS_AUTH', 'refused', { exitCode: 69 })
    const sink = createBusSink({ bus: fakeBus({ fails: refusal }).bus, topicOf, counters: new Counters() })
    await expect(sink.write([list('a', [1])], never)).rejects.toBe(refusal)
  })
})

interface Published {
  readonly topic: string
  readonly key: string
  readonly bytes: number
  readonly values: number[]
  /** Those of each list. */
  readonly lists: number[][]
}

/** A bus that refuses as Kafka does: whole publishes, or single messages of them. */
function fakeBus(
  script: { largestBytes?: number; takesOthers?: boolean; fails?: Error; failsFor?: string; repeats?: number } = {},
): {
  bus: Bus
  published: Published[]
} {
  const published: Published[] = []
  const bus: Bus = {
    name: 'fake',
    async open() {},
    async publish(topic, messages, onRepeated) {
      const { largestBytes = Number.POSITIVE_INFINITY, takesOthers = false, fails, failsFor, repeats = 0 } = script
      for (let i = 0; i < repeats; i++) for (const message of messages) onRepeated?.(message)
      if (fails && (failsFor ?? topic) === topic) throw fails
      const refused = messages.filter(({ bytes }) => bytes.length > largestBytes)
      if (refused.length === 0 || takesOthers)
        take(
          topic,
          messages.filter((message) => !refused.includes(message)),
        )
      if (refused.length === 0) return
      throw Object.assign(new StatsError('DS_BUS_MESSAGE_TOO_LARGE', 'too large'), takesOthers ? { refused } : {})
    },
    async subscribe() {},
    lag: () => [],
    async close() {},
  }
  return { bus, published }

  function take(topic: string, messages: readonly OutgoingMessage[]): void {
    for (const { key, bytes } of messages) {
      const { lists, fault } = decodeContainerFile(bytes)
      expect(fault).toBeUndefined()
      const values = lists.map(valuesOf)
      published.push({ topic, key, bytes: bytes.length, values: values.flat(), lists: values })
    }
  }
}

function list(topic: string, values: readonly number[], tags: Record<string, string> = {}): MetricList {
  const all: Tag[] = Object.entries(tags).map(([key, value]) => ({ key, value }))
  return { topic, tags: all, datapoints: points(values) }
}

function points(values: readonly number[], name = 'metric') {
  return encodeDatapoints(values.map((value) => ({ name, timeMs: 1_700_000_000_000, value })))
}

function valuesOf({ datapoints }: MetricList): number[] {
  return decodeDatapoints(datapoints).map(({ value }) => value)
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at)
}
