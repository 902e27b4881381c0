import { useKafka } from './support/kafka-broker.js'
import { collect, message, openTestBus, uniqueName } from './support/kafka-bus.js'

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
