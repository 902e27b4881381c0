import { fileURLToPath } from 'node:url'
import zlib from 'node:zlib'
import avro from 'avsc'
import { encodeDatapoints } from '../../src/codec/datapoints.js'
import { createBusSink } from '../../src/outputs/bus.js'
import { Counters } from '../../src/telemetry/counters.js'
import { type KafkaBroker, startKafkaBroker } from './support/kafka-broker.js'
import { collect, message, openTestBus, uniqueName } from './support/kafka-bus.js'

const program = fileURLToPath(new URL('./support/KafkaForeign.java', import.meta.url))
const texts = Array.from({ length: 1_000 }, (_, n) => `${n} ${'metric.name '.repeat(n % 400)}`)
const hasZstd = 'zstdCompressSync' in zlib

const never = new AbortController().signal

let kafka: KafkaBroker

beforeAll(async () => {
  kafka = await startKafkaBroker()
})

afterAll(() => kafka?.stop())

test.each([
  'none',
  'gzip',
  'snappy',
] as const)("Kafka's own consumer reads what was written with %s", async (compression) => {
  const { bus } = await openTestBus(kafka.brokers, { compression })
  const topic = uniqueName('ours')
  await bus.publish(
    topic,
    texts.map((text) => message(text)),
  )
  await bus.close()
  const lines = (await kafka.java(program, ['consume', kafka.brokers[0]!, topic, '1000'])).trim().split('\n')
  expect(lines.map((line) => Buffer.from(line, 'base64').toString())).toEqual(texts)
})

test("a topic of the collector, read by Kafka's own consumer and decoded by a foreign Avro reader", async () => {
  const { bus } = await openTestBus(kafka.brokers)
  const topic = uniqueName('decoded')
  const sink = createBusSink({ bus, topicOf: () => topic, counters: new Counters() })
  const tags = [
    { key: 'framework_id', value: 'F-1' },
    { key: 'container_id', value: 'C-1' },
  ]
  const points = Array.from({ length: 50 }, (_, n) => ({
    name: `naïve.${n}`,
    timeMs: 1_700_000_000_000 + n,
    value: n / 3,
  }))
  const result = await sink.write([{ topic: 'F-1', tags, datapoints: encodeDatapoints(points) }], never)
  expect(result).toEqual({ status: 'sent', datapoints: 50 })
  await bus.close()
  const [line = ''] = (await kafka.java(program, ['consume', kafka.brokers[0]!, topic, '1'])).trim().split('\n')
  const records = await decodeForeign(Buffer.from(line, 'base64'))
  const datapoints = points.map(({ name, timeMs, value }) => ({ name, time_ms: timeMs, value }))
  expect(JSON.parse(JSON.stringify(records))).toEqual([{ topic: 'F-1', tags, datapoints }])
})

/** What avsc, which knows nothing of this program's codec, finds in a container file. */
function decodeForeign(file: Buffer): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const records: unknown[] = []
    const decoder = new avro.streams.BlockDecoder()
    decoder
      .on('data', (record) => records.push(record))
      .on('end', () => resolve(records))
      .on('error', reject)
    decoder.end(file)
  })
}

test.each([
  'none',
  'gzip',
  'snappy',
  ...(hasZstd ? ['zstd'] : []),
])("what Kafka's own producer wrote with %s is read", async (codec) => {
  const topic = uniqueName('theirs')
  await kafka.java(program, ['produce', kafka.brokers[0]!, topic, codec, '1000'])
  const { bus } = await openTestBus(kafka.brokers)
  const reader = collect(bus, { topics: [topic], group: uniqueName('group'), from: 'earliest' })
  await reader.atLeast(1_000)
  await reader.stop()
  await bus.close()
  expect(reader.texts).toEqual(texts)
})

test.each([
  'lz4',
  ...(hasZstd ? [] : ['zstd']),
])('a message compressed with %s ends the subscription, naming the codec', async (codec) => {
  const topic = uniqueName('unreadable')
  await kafka.java(program, ['produce', kafka.brokers[0]!, topic, codec, '1000'])
  const { bus } = await openTestBus(kafka.brokers)
  const reader = collect(bus, { topics: [topic], group: uniqueName('group'), from: 'earliest' })
  await expect(reader.done).rejects.toMatchObject({
    code: 'DS_BUS_CODEC',
    exitCode: 69,
    message: expect.stringContaining(codec),
  })
  await bus.close()
})
