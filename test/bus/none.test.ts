import { createNoBus } from '../../src/bus/none.js'
import { encodeContainerFile } from '../../src/codec/avro-ocf.js'
import { createBusSink } from '../../src/outputs/bus.js'
import { Counters } from '../../src/telemetry/counters.js'
import { silentLog } from '../../src/telemetry/log.js'
import { listOf, point } from '../support/sink-contract.js'

const never = new AbortController().signal

test('tells for each topic of a write what a bus would have got: the very messages, with their headers', async () => {
  const lines: unknown[][] = []
  const bus = createNoBus({ log: { ...silentLog, info: (...line: unknown[]) => lines.push(line) } })
  const sink = createBusSink({ bus, topicOf: ({ topic }) => topic, counters: new Counters() })
  const inOneMessage = [listOf([point('a', 1), point('b', 2)]), listOf([point('c', 3)])]
  const other = { ...listOf([point('d', 4)]), topic: 'other' }
  await sink.open(never)
  expect(await sink.write([...inOneMessage, other], never)).toEqual({ status: 'sent', datapoints: 4 })
  await sink.close()
  const { topic } = inOneMessage[0]!
  expect(lines).toEqual([lineOf(topic, inOneMessage), lineOf('other', [other])])
})

test('a subscription reads nothing and ends when it is told to', async () => {
  const stop = new AbortController()
  const bus = createNoBus({ log: silentLog })
  const over = bus.subscribe({ topics: /.*/, group: 'g', from: 'earliest' }, fail, stop.signal)
  await bus.publish('t', [{ key: '', bytes: Buffer.alloc(1) }])
  stop.abort()
  await expect(over).resolves.toBeUndefined()
  expect(bus.lag()).toEqual([])
})

function lineOf(topic: string, lists: Parameters<typeof encodeContainerFile>[0]) {
  const bytes = encodeContainerFile(lists).length
  return [{ topic, messages: 1, bytes }, `Topic '${topic}': ${bytes} bytes would've been written (--bus none)`]
}

async function fail() {
  throw new Error('nothing can be read from it')
}
