import { createOcfReader } from '../../src/codec/avro-ocf.js'
import type { MetricList } from '../../src/model/metric-list.js'
import { streamOf, toPlain } from '../support/avro-streams.js'

/** As with `node --jitless`. What asks for it is loaded afterwards. */
Object.defineProperty(globalThis, 'WebAssembly', { value: undefined })
const { createListJoiner } = await import('../../src/codec/list-joiner.js')

test('without WebAssembly nothing is joined, and lists go as they came', () => {
  const joiner = createListJoiner()
  expect(joiner).toBeUndefined()
  const list = { topic: 't', tags: [], datapoints: [{ name: 'n', timeMs: 1, value: 2 }] }
  const blocks = [Array(10).fill(list), Array(10).fill(list)]
  const lists: MetricList[] = []
  createOcfReader().readSome(streamOf(blocks, 'deflate'), 0, lists, joiner)
  expect(lists.map(toPlain)).toEqual(blocks.flat())
})
