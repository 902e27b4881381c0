import { fileURLToPath } from 'node:url'
import zlib from 'node:zlib'
import { type KafkaBroker, startKafkaBroker } from './support/kafka-broker.js'
import { collect, message, openTestBus, uniqueName } from './support/kafka-bus.js'

const program = fileURLToPath(new URL('./support/KafkaForeign.java', import.meta.url))
const texts = Array.from({ length: 1_000 }, (_, n) => `${n} ${'metric.name '.repeat(n % 400)}`)
const hasZstd = 'zstdCompressSync' in zlib

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
