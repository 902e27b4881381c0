import { encodeDatapoints } from '../../src/codec/datapoints.js'
import type { MetricList } from '../../src/model/metric-list.js'
import { createPartingSink } from '../../src/outputs/parting-sink.js'
import type { Sink, WriteResult } from '../../src/outputs/sink.js'

const lists: MetricList[] = [
  { topic: 't', tags: [], datapoints: encodeDatapoints([{ name: 'a', timeMs: 1, value: 1 }]) },
]
const { signal } = new AbortController()
const sent: WriteResult = { status: 'sent', datapoints: 1 }
const away: WriteResult = { status: 'retry', cause: new Error('away') }

function create(answers: WriteResult[]) {
  const given: (readonly MetricList[])[] = []
  let leaves = false
  let asked = 0
  const inner: Sink = {
    name: 'inner',
    open: async () => {},
    write: async () => answers[asked++]!,
    close: async () => {},
  }
  const heir = async (left: readonly MetricList[]) => void given.push(left)
  return {
    sink: createPartingSink(inner, () => (leaves ? heir : undefined)),
    given,
    asked: () => asked,
    leave: () => {
      leaves = true
    },
  }
}

test('while nobody takes over, the sink answers for itself', async () => {
  const { sink, given } = create([sent, away])
  expect([await sink.write(lists, signal), await sink.write(lists, signal)]).toEqual([sent, away])
  expect(given).toEqual([])
})

test('a sink that works goes on to the end', async () => {
  const { sink, given, leave } = create([sent])
  leave()
  expect(await sink.write(lists, signal)).toEqual(sent)
  expect(given).toEqual([])
})

test('what it cannot send goes to the one who takes over, and it is not asked again', async () => {
  const { sink, given, leave, asked } = create([away])
  leave()
  expect(await sink.write(lists, signal)).toEqual(sent)
  expect(await sink.write(lists, signal)).toEqual(sent)
  expect(given).toEqual([lists, lists])
  expect(asked()).toBe(1)
})

test('a sink that was away before is not asked at the end', async () => {
  const { sink, given, leave, asked } = create([away])
  await sink.write(lists, signal)
  leave()
  expect(await sink.write(lists, signal)).toEqual(sent)
  expect({ given: given.length, asked: asked() }).toEqual({ given: 1, asked: 1 })
})
