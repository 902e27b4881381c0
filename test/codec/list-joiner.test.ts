import { encodeDatapoints } from '../../src/codec/datapoints.js'
import { type JoinableHead, ListJoiner } from '../../src/codec/list-joiner.js'
import { listsOf } from '../../src/model/datapoints-view.js'
import type { MetricList } from '../../src/model/metric-list.js'
import { toPlain } from '../support/avro-streams.js'

function headOf(name: string): JoinableHead {
  return { topic: 'topic', tags: [{ key: 'container_id', value: name }], joined: undefined }
}

function points(...values: number[]) {
  return encodeDatapoints(values.map((value) => ({ name: 'metric', timeMs: 1_700_000_000_000, value })))
}

function listOf({ topic, tags }: JoinableHead, ...values: number[]): MetricList {
  return { topic, tags, datapoints: points(...values) }
}

function flush(joiner: ListJoiner): MetricList[] {
  const lists: MetricList[] = []
  joiner.flush(lists)
  return lists
}

test('small lists with the same head become one, in the order in which they came', () => {
  const joiner = new ListJoiner()
  const [a, b] = [headOf('a'), headOf('b')]
  expect([joiner.take(a, points(1)), joiner.take(b, points(2, 3)), joiner.take(a, points(4))]).toEqual([
    true,
    true,
    true,
  ])
  expect(joiner.taken).toBe(3)
  const lists = flush(joiner)
  expect(lists.map(toPlain)).toEqual([listOf(a, 1, 4), listOf(b, 2, 3)].map(toPlain))
  expect(lists.map(({ datapoints }) => listsOf(datapoints))).toEqual([2, 1])
  expect(lists[0]?.tags).toBe(a.tags)
  expect(joiner.taken).toBe(0)
})

test('a large one goes by itself, unless small ones of its head came before it', () => {
  const joiner = new ListJoiner()
  const [a, b] = [headOf('a'), headOf('b')]
  const large = [1, 2, 3, 4, 5]
  expect([joiner.take(a, points(...large)), joiner.take(a, points(0)), joiner.take(a, points(...large))]).toEqual([
    false,
    true,
    true,
  ])
  expect(joiner.take(b, points(...large))).toBe(false)
  expect(flush(joiner).map(toPlain)).toEqual([toPlain(listOf(a, 0, ...large))])
})

test('a slice knows nothing of the one before', () => {
  const joiner = new ListJoiner()
  const a = headOf('a')
  const slices = [1, 2].map((value) => {
    joiner.take(a, points(value))
    joiner.take(a, points(value))
    return flush(joiner).map(toPlain)
  })
  expect(slices).toEqual([[toPlain(listOf(a, 1, 1))], [toPlain(listOf(a, 2, 2))]])
  expect(flush(joiner)).toEqual([])
})

test('what lists are joined from may be written over at once', () => {
  const joiner = new ListJoiner()
  const a = headOf('a')
  const { count, bytes } = points(1)
  joiner.take(a, { count, bytes })
  bytes.fill(0)
  expect(flush(joiner).map(toPlain)).toEqual([toPlain(listOf(a, 1))])
})

test('slices of any size, of one joiner after the other', () => {
  const joiners = [new ListJoiner(), new ListJoiner()]
  const heads = ['a', 'b', 'c'].map(headOf)
  for (const count of [20_000, 10, 30_000, 1])
    for (const joiner of joiners) {
      for (let at = 0; at < count; at++) joiner.take(heads[at % 3]!, points(at))
      const lists = flush(joiner)
      expect(lists.map(({ datapoints }) => listsOf(datapoints)).reduce((sum, came) => sum + came, 0)).toBe(count)
      const values = lists.flatMap((list) => toPlain(list).datapoints.map(({ value }) => value))
      expect(values.sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: count }, (_, at) => at))
    }
})

test('where lists do not repeat, none is taken for 31 slices, then it is tried again', () => {
  const joiner = new ListJoiner()
  const slice = () => {
    const taken = ['a', 'b', 'c'].map((name) => joiner.take(headOf(name), points(1)))
    flush(joiner)
    return taken.every(Boolean)
  }
  const all = Array.from({ length: 65 }, slice)
  expect(all.flatMap((taken, at) => (taken ? [at] : []))).toEqual([0, 33])
})
