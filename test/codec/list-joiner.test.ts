import { encodeDatapoints } from '../../src/codec/datapoints.js'
import { createListJoiner, type JoinableHead, type ListJoiner } from '../../src/codec/list-joiner.js'
import { type Scratch, sharedScratch } from '../../src/codec/scratch.js'
import { listsOf } from '../../src/model/datapoints-view.js'
import type { MetricList } from '../../src/model/metric-list.js'
import { toPlain } from '../support/avro-streams.js'

const scratch = sharedScratch() as Scratch

function newJoiner(): ListJoiner {
  return createListJoiner() as ListJoiner
}

function headOf(name: string): JoinableHead {
  return { topic: 'topic', tags: [{ key: 'container_id', value: name }], joined: undefined }
}

function points(...values: number[]) {
  return encodeDatapoints(values.map((value) => ({ name: 'metric', timeMs: 1_700_000_000_000, value })))
}

function listOf({ topic, tags }: JoinableHead, ...values: number[]): MetricList {
  return { topic, tags, datapoints: points(...values) }
}

/** Lists of a slice: head and values of each. */
type Given = readonly (readonly [JoinableHead, ...number[]])[]

/** How lists come to a joiner: from anywhere, or in blocks that lie in the scratch. */
const ways = {
  'from anywhere': (joiner: ListJoiner, given: Given) => {
    const lists: MetricList[] = []
    for (const [head, ...values] of given) joiner.take(head, points(...values), lists)
    return lists
  },
  'from the scratch': (joiner: ListJoiner, given: Given) => {
    const lists: MetricList[] = []
    for (const [head, ...values] of given) {
      const { count, bytes } = points(...values)
      joiner.takeFromScratch(head, count, scratch.bringIn({ count, bytes }), bytes.length, lists)
    }
    return lists
  },
}

function flush(joiner: ListJoiner): MetricList[] {
  const lists: MetricList[] = []
  joiner.flush(lists)
  return lists
}

describe.each(Object.entries(ways))('lists %s', (_way, take) => {
  test('small ones with the same head become one, in the order in which they came', () => {
    const joiner = newJoiner()
    const [a, b] = [headOf('a'), headOf('b')]
    expect(
      take(joiner, [
        [a, 1],
        [b, 2, 3],
        [a, 4],
      ]),
    ).toEqual([])
    expect(joiner.taken).toBe(3)
    const lists = flush(joiner)
    expect(lists.map(toPlain)).toEqual([listOf(a, 1, 4), listOf(b, 2, 3)].map(toPlain))
    expect(lists.map(({ datapoints }) => listsOf(datapoints))).toEqual([2, 1])
    expect(lists[0]?.tags).toBe(a.tags)
    expect(joiner.taken).toBe(0)
  })

  test('a large one goes by itself, unless small ones of its head came before it', () => {
    const joiner = newJoiner()
    const [a, b] = [headOf('a'), headOf('b')]
    const large = [1, 2, 3, 4, 5]
    const alone = take(joiner, [
      [a, ...large],
      [a, 0],
      [a, ...large],
      [b, ...large],
    ])
    const joined = flush(joiner)
    scratch.bringIn({ count: 1, bytes: Buffer.alloc(1000) })
    expect(alone.map(toPlain)).toEqual([listOf(a, ...large), listOf(b, ...large)].map(toPlain))
    expect(joined.map(toPlain)).toEqual([toPlain(listOf(a, 0, ...large))])
  })

  test('a slice knows nothing of the one before', () => {
    const joiner = newJoiner()
    const a = headOf('a')
    const slices = [1, 2].map((value) => {
      take(joiner, [
        [a, value],
        [a, value],
      ])
      return flush(joiner).map(toPlain)
    })
    expect(slices).toEqual([[toPlain(listOf(a, 1, 1))], [toPlain(listOf(a, 2, 2))]])
    expect(flush(joiner)).toEqual([])
  })

  test('where lists do not repeat, none is taken for 31 slices, then it is tried again', () => {
    const joiner = newJoiner()
    const slice = () => {
      const alone = take(joiner, [
        [headOf('a'), 1],
        [headOf('b'), 1],
        [headOf('c'), 1],
      ])
      flush(joiner)
      return alone.length === 0
    }
    const all = Array.from({ length: 65 }, slice)
    expect(all.flatMap((taken, at) => (taken ? [at] : []))).toEqual([0, 33])
  })
})

test('what lists are joined from may be written over at once', () => {
  const joiner = newJoiner()
  const a = headOf('a')
  const { count, bytes } = points(1)
  joiner.take(a, { count, bytes }, [])
  bytes.fill(0)
  expect(flush(joiner).map(toPlain)).toEqual([toPlain(listOf(a, 1))])
})

test('slices of any size, of one joiner after the other; what has no room for more passes what it has', () => {
  const joiners = [newJoiner(), newJoiner()]
  const heads = ['a', 'b', 'c'].map(headOf)
  for (const count of [20_000, 10, 60_000, 1])
    for (const joiner of joiners) {
      const lists: MetricList[] = []
      for (let at = 0; at < count; at++) joiner.take(heads[at % 3]!, points(at), lists)
      joiner.flush(lists)
      expect(lists.map(({ datapoints }) => listsOf(datapoints)).reduce((sum, came) => sum + came, 0)).toBe(count)
      const valuesOf = (head: JoinableHead) =>
        lists
          .filter(({ tags }) => tags === head.tags)
          .flatMap((list) => toPlain(list).datapoints.map(({ value }) => value))
      const all = Array.from({ length: count }, (_, at) => at)
      expect(heads.map(valuesOf)).toEqual(heads.map((_, which) => all.filter((at) => at % 3 === which)))
    }
})

test('a list that is larger than all room goes by itself, behind small ones of its head', () => {
  const joiner = newJoiner()
  const a = headOf('a')
  const huge = encodeDatapoints([{ name: 'n'.repeat(600_000), timeMs: 1, value: 2 }])
  const lists: MetricList[] = []
  joiner.take(a, points(1), lists)
  joiner.take(a, huge, lists)
  joiner.take(a, points(3), lists)
  joiner.flush(lists)
  expect(lists.map((list) => toPlain(list).datapoints.map(({ value }) => value))).toEqual([[1], [2], [3]])
})

describe('the scratch for a block', () => {
  const a = headOf('a')
  const wanted = (joiner: ListJoiner, lists: MetricList[] = []) => joiner.scratchFor(100, 25_000, lists)

  test.each<[string, Given[], boolean]>([
    ['nothing yet', [], false],
    ['a single list', [[[a, 1]]], false],
    [
      'lists that repeat',
      [
        [
          [a, 1],
          [a, 2],
        ],
      ],
      true,
    ],
    [
      'lists that repeated once',
      [
        [
          [a, 1],
          [a, 2],
        ],
        [],
      ],
      false,
    ],
    [
      'lists that hardly repeat',
      [
        [
          [a, 1],
          [a, 2],
          [headOf('b'), 3],
          [headOf('c'), 4],
        ],
      ],
      false,
    ],
    [
      'large lists',
      [
        [
          [a, 1, 2, 3, 4, 5],
          [a, 1, 2, 3, 4, 5],
        ],
      ],
      false,
    ],
  ])('behind %s', (_what, slices, isGiven) => {
    const joiner = newJoiner()
    for (const slice of slices) {
      ways['from anywhere'](joiner, slice)
      flush(joiner)
    }
    expect(wanted(joiner) === scratch).toBe(isGiven)
  })

  test('is given as long as what waits leaves room; then that is passed', () => {
    const joiner = newJoiner()
    joiner.take(a, points(1), [])
    joiner.take(a, points(2), [])
    expect(wanted(joiner)).toBeUndefined()
    flush(joiner)
    expect(wanted(joiner)).toBe(scratch)
    joiner.take(a, points(3), [])
    joiner.take(a, points(4), [])
    scratch.room.used += 500_000
    const passed: MetricList[] = []
    expect(wanted(joiner, passed)).toBe(scratch)
    expect(passed.map(toPlain)).toEqual([toPlain(listOf(a, 3, 4))])
    expect(joiner.scratchFor(100, 10_000_000, passed)).toBeUndefined()
  })
})
