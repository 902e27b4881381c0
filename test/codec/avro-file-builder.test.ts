import { ContainerFileBuilder, ListHead } from '../../src/codec/avro-file-builder.js'
import { decodeContainerFile, encodeHead } from '../../src/codec/avro-ocf.js'
import { encodeDatapoints } from '../../src/codec/datapoints.js'
import { byteLengthOf } from '../../src/model/datapoints-view.js'
import { countDatapoints, type MetricList } from '../../src/model/metric-list.js'
import { seededRandom } from '../../src/platform/random.js'
import { type PlainList, toPlain } from '../support/avro-streams.js'

function listOf(count: number, name = 'metric'): MetricList {
  const points = Array.from({ length: count }, (_, at) => ({
    name: `${name}.${at}`,
    timeMs: 1_700_000_000_000,
    value: at,
  }))
  return { topic: 'topic', tags: [{ key: 'container_id', value: name }], datapoints: encodeDatapoints(points) }
}

function pointsOf(name: string, ...values: number[]): MetricList {
  const points = values.map((value) => ({ name: 'metric', timeMs: 1_700_000_000_000, value }))
  return { topic: 'topic', tags: [{ key: 'container_id', value: name }], datapoints: encodeDatapoints(points) }
}

function listsOf(file: Uint8Array) {
  const { lists, fault } = decodeContainerFile(file)
  expect(fault).toBeUndefined()
  return lists.map(toPlain)
}

function valuesBySeries(lists: readonly PlainList[]): Map<string, number[]> {
  const series = new Map<string, number[]>()
  for (const { tags, datapoints } of lists) {
    const values = series.get(JSON.stringify(tags)) ?? []
    series.set(JSON.stringify(tags), [...values, ...datapoints.map(({ value }) => value)])
  }
  return series
}

const heads = new Map<string, ListHead>()

function headOf(list: MetricList): ListHead {
  const bytes = encodeHead(list)
  const key = Buffer.from(bytes).toString('latin1')
  const head = heads.get(key) ?? new ListHead(bytes)
  heads.set(key, head)
  return head
}

function build(lists: readonly MetricList[], options: ConstructorParameters<typeof ContainerFileBuilder>[0] = {}) {
  const builder = new ContainerFileBuilder(options)
  for (const list of lists) builder.add(headOf(list), list.datapoints)
  return builder
}

describe('a file that was made list by list', () => {
  test.each([
    ['without lists', []],
    ['with an empty list', [listOf(0)]],
    ['with one datapoint', [listOf(1)]],
    [
      'with lists of which counts and sizes take one to three bytes',
      [listOf(5, 'a'), listOf(70, 'b'), listOf(9000, 'c')],
    ],
    ['with as many lists as take three bytes to count', Array.from({ length: 9000 }, (_, at) => listOf(1, `n${at}`))],
  ])('%s has what was added, in its order', (_what, lists) => {
    const builder = build(lists)
    const file = builder.finish()
    expect(listsOf(file)).toEqual(lists.map(toPlain))
    expect([builder.lists, builder.datapoints]).toEqual([lists.length, countDatapoints(lists)])
  })

  test('has one list for all that came with the same topic and tags, its datapoints in the order in which they came', () => {
    const [a, b, c] = [pointsOf('a', 1, 2), pointsOf('b', 3), pointsOf('a', 4)]
    const empty = pointsOf('b')
    const builder = build([a, b, c, empty])
    expect(listsOf(builder.finish())).toEqual([pointsOf('a', 1, 2, 4), pointsOf('b', 3)].map(toPlain))
    expect([builder.lists, builder.datapoints]).toEqual([2, 4])
  })

  test('has lists that only share their tags apart', () => {
    const other = { ...pointsOf('a', 2), topic: 'other' }
    expect(listsOf(build([pointsOf('a', 1), other]).finish())).toEqual([pointsOf('a', 1), other].map(toPlain))
  })

  test.each([
    1, 2, 3, 4, 5, 6,
  ])('holds what came for each topic and tags, whatever came in between (seed %i)', (seed) => {
    const random = seededRandom(seed)
    const lists = Array.from({ length: 2000 }, () => {
      const most = random() < 0.1 ? 30 : 5
      const values = Array.from({ length: Math.floor(random() * most) }, () => random())
      return pointsOf(`n${Math.floor(random() * 40)}`, ...values)
    })
    const builder = build(lists, { expectedBytes: Math.floor(random() * 100_000) })
    const most = builder.byteLength
    const file = builder.finish()
    expect(valuesBySeries(listsOf(file))).toEqual(valuesBySeries(lists.map(toPlain)))
    expect(listsOf(file)).toHaveLength(builder.lists)
    expect(file.length).toBeLessThanOrEqual(most)
  })

  test('takes lists of a head that another file had in between', () => {
    const [one, two] = [new ContainerFileBuilder(), new ContainerFileBuilder()]
    for (const [at, builder] of [one, two, one].entries()) {
      const list = pointsOf('a', at)
      builder.add(headOf(list), list.datapoints)
    }
    expect(listsOf(two.finish())).toEqual([toPlain(pointsOf('a', 1))])
    expect(listsOf(one.finish())).toEqual([pointsOf('a', 0), pointsOf('a', 2)].map(toPlain))
  })

  test('leaves nothing behind in its heads', () => {
    const list = pointsOf('left', 1)
    build([list]).finish()
    expect(headOf(list).file).toBeUndefined()
    expect(listsOf(build([list]).finish())).toEqual([toPlain(list)])
  })

  test('grows beyond what was expected, and leaves the room in front of it alone', () => {
    const random = seededRandom(11)
    const lists = Array.from({ length: 200 }, (_, at) => listOf(Math.floor(random() * 40), `n${at}`))
    const file = build(lists, { headroom: 100, expectedBytes: 10 }).finish()
    expect(file.byteOffset).toBeGreaterThanOrEqual(100)
    Buffer.from(file.buffer, file.byteOffset - 100, 100).fill(0xff)
    expect(valuesBySeries(listsOf(file))).toEqual(valuesBySeries(lists.map(toPlain)))
  })

  test('is no larger than its lists were said to be', () => {
    const lists = [listOf(3, 'a'), listOf(100, 'b'), listOf(7, 'a'), listOf(9000, 'b')]
    const most = lists.reduce((sum, list) => sum + ContainerFileBuilder.sizeOf(headOf(list), list.datapoints), 0)
    const builder = build(lists)
    const { byteLength } = builder
    expect(byteLength).toBeLessThanOrEqual(ContainerFileBuilder.emptyBytes + most)
    expect(builder.finish().length).toBeLessThanOrEqual(byteLength)
  })

  test('takes nothing that would make it larger than it may be', () => {
    const builder = build([listOf(2, 'a')])
    const limitBytes = builder.byteLength + byteLengthOf(listOf(3, 'a').datapoints)
    const add = (list: MetricList) => builder.add(headOf(list), list.datapoints, limitBytes)
    expect([listOf(3, 'b'), listOf(4, 'a'), listOf(3, 'a'), listOf(1, 'a')].map(add)).toEqual([
      false,
      false,
      true,
      false,
    ])
    expect([builder.byteLength, builder.lists, builder.datapoints]).toEqual([limitBytes, 1, 5])
  })

  test('has large lists apart and in front, unless small ones of their head came before', () => {
    const small = (name: string) => pointsOf(name, 0)
    const large = (name: string) => pointsOf(name, 1, 2, 3, 4, 5)
    const lists = [small('a'), large('a'), large('b'), large('b'), small('b'), small('a')]
    const expected = [large('b'), large('b'), pointsOf('a', 0, 1, 2, 3, 4, 5, 0), small('b')]
    expect(listsOf(build(lists).finish())).toEqual(expected.map(toPlain))
  })

  // What their array said of itself is passed on as it came: who reads it counts what is missing.
  test.each([
    ['fewer datapoints than they say', (bytes: Uint8Array) => ({ count: 3, bytes })],
    ['more', (bytes: Uint8Array) => ({ count: 1, bytes })],
    ['a datapoint that is cut', (bytes: Uint8Array) => ({ count: 2, bytes: bytes.subarray(0, -1) })],
    [
      'a name that goes beyond the end',
      (bytes: Uint8Array) => ({ count: 2, bytes: Buffer.from(bytes).fill(0x7e, 0, 1) }),
    ],
    ['a name of a negative length', (bytes: Uint8Array) => ({ count: 2, bytes: Buffer.from(bytes).fill(1, 0, 1) })],
    ['nothing but bytes of a number', ({ length }: Uint8Array) => ({ count: 2, bytes: Buffer.alloc(length, 0xff) })],
  ])('never takes datapoints of others for those of a list with %s', (_what, lie) => {
    const honest = pointsOf('a', 1, 2)
    const liar = { ...honest, datapoints: lie(honest.datapoints.bytes) }
    const file = build([honest, liar, honest]).finish()
    const [first, joined] = decodeContainerFile(file).lists as [MetricList, MetricList]
    expect(first.datapoints.count).toBe(liar.datapoints.count)
    expect(Buffer.from(first.datapoints.bytes)).toEqual(Buffer.from(liar.datapoints.bytes))
    expect(toPlain(joined)).toEqual(toPlain(pointsOf('a', 1, 2, 1, 2)))
  })

  test('gives its memory to the next one when it is released, not before', () => {
    const one = build([listOf(5, 'one')])
    const file = one.finish()
    const two = build([listOf(5, 'two')]).finish()
    expect(listsOf(file)).toEqual([toPlain(listOf(5, 'one'))])
    one.release()
    const three = build([listOf(5, 'three')]).finish()
    expect(three.buffer === file.buffer).toBe(true)
    expect(listsOf(two)).toEqual([toPlain(listOf(5, 'two'))])
  })
})
