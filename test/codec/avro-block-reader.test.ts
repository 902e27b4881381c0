import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { createOcfReader, encodeOcfBlock, encodeOcfHeader } from '../../src/codec/avro-ocf.js'
import { encodeDatapoints } from '../../src/codec/datapoints.js'
import { createListJoiner, type ListJoiner } from '../../src/codec/list-joiner.js'
import { listsOf } from '../../src/model/datapoints-view.js'
import type { MetricList } from '../../src/model/metric-list.js'
import { long, type PlainList, sync, toPlain } from '../support/avro-streams.js'

const seed = 20_261_201

/** How a writer may put the datapoints of a list into blocks of their array. */
const arrays = {
  'one block with its size': (list: PlainList) => [arrayBlock(list, true)],
  'one block without a size': (list: PlainList) => [arrayBlock(list, false)],
  'a block for each, with and without size': ({ datapoints, ...list }: PlainList) =>
    datapoints.map((point, at) => arrayBlock({ ...list, datapoints: [point] }, at % 2 === 0)),
}
type ArrayForm = keyof typeof arrays

function arrayBlock({ datapoints }: PlainList, hasSize: boolean): Buffer {
  const { bytes } = encodeDatapoints(datapoints)
  const count = datapoints.length
  return Buffer.concat([...(hasSize ? [long(-count), long(bytes.length)] : [long(count)]), bytes])
}

function encodeList(list: PlainList, form: ArrayForm): Buffer {
  const tags = list.tags.flatMap(({ key, value }) => [text(key), text(value)])
  const section = tags.length === 0 ? [] : [long(list.tags.length), ...tags]
  const datapoints = list.datapoints.length === 0 ? [] : arrays[form](list)
  return Buffer.concat([text(list.topic), ...section, long(0), ...datapoints, long(0)])
}

function deflatedBlock(lists: readonly (readonly [PlainList, ArrayForm])[], more = Buffer.alloc(0)): Buffer {
  const packed = deflateRawSync(Buffer.concat([...lists.map(([list, form]) => encodeList(list, form)), more]))
  return Buffer.concat([long(lists.length), long(packed.length), packed, sync])
}

function text(value: string): Buffer {
  return Buffer.concat([long(Buffer.byteLength(value)), Buffer.from(value)])
}

const header = encodeOcfHeader(sync, 'deflate')

/** A stream that is read in pieces, by a reader that joins. */
class Reading {
  readonly lists: MetricList[] = []
  readonly reader = createOcfReader()
  readonly #joiner = createListJoiner() as ListJoiner

  constructor() {
    this.read(header)
  }

  read(piece: Uint8Array): void {
    for (let pos = 0; pos < piece.length; ) pos = this.reader.readSome(piece, pos, this.lists, this.#joiner)
  }

  /** The datapoints of each topic and tags, in their order. */
  get series(): Record<string, PlainList['datapoints']> {
    return seriesOf(this.lists.map(toPlain))
  }

  /** In how many lists they came. */
  get cameIn(): number {
    return this.lists.reduce((sum, { datapoints }) => sum + listsOf(datapoints), 0)
  }
}

function seriesOf(lists: readonly PlainList[]): Record<string, PlainList['datapoints']> {
  const series: Record<string, PlainList['datapoints']> = {}
  for (const { topic, tags, datapoints } of lists) {
    const key = JSON.stringify([topic, tags])
    series[key] ??= []
    series[key].push(...datapoints)
  }
  return series
}

let values = 0

/** One of few series, so that lists repeat. */
function listOf(series: number, count: number, nameLength = 20): PlainList {
  return {
    topic: `topic ${series % 2}`,
    tags: [{ key: 'container_id', value: `container ${series}, whose name makes a head of some length` }],
    datapoints: Array.from({ length: count }, () => ({ name: 'n'.repeat(nameLength), timeMs: 1, value: values++ })),
  }
}

const anyForm = fc.constantFrom<ArrayForm>(
  'one block with its size',
  'one block with its size',
  'one block without a size',
  'a block for each, with and without size',
)
const anyCount = fc.oneof({ weight: 8, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.integer({ min: 4, max: 9 }) })
const anyListForm = fc.tuple(fc.nat(6), anyCount, anyForm)
/** Mostly of small lists in the usual form; some of one that is far larger than those before. */
const anyBlock = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(
      fc.constant(1),
      fc.array(fc.tuple(fc.nat(6), fc.nat(3), fc.constant<ArrayForm>('one block with its size')), { maxLength: 60 }),
    ),
  },
  { weight: 3, arbitrary: fc.tuple(fc.constant(1), fc.array(anyListForm, { maxLength: 60 })) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(40, 400), fc.array(anyListForm, { minLength: 20, maxLength: 60 })) },
)

test(`deflated blocks of any lists, of several senders in turn, give what came (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2), anyBlock), { maxLength: 40 }), fc.nat(30_000), (blocks, pieceBytes) => {
      const senders = [0, 1, 2].map(() => ({ reading: new Reading(), came: [] as PlainList[], stream: [] as Buffer[] }))
      for (const [which, [nameFactor, block]] of blocks) {
        const { came, stream } = senders[which]!
        const lists = block.map(([series, count, form]) => [listOf(series, count, 20 * nameFactor), form] as const)
        stream.push(deflatedBlock(lists))
        came.push(...lists.map(([list]) => list))
      }
      const streams = senders.map(({ stream }) => Buffer.concat(stream))
      const size = pieceBytes + 100
      for (let at = 0; streams.some(({ length }) => at < length); at += size)
        for (const [which, { reading }] of senders.entries()) reading.read(streams[which]!.subarray(at, at + size))
      for (const { reading, came } of senders) {
        reading.reader.end()
        expect(reading.reader.fault).toBeUndefined()
        expect(reading.series).toEqual(seriesOf(came))
        expect(reading.cameIn).toBe(came.length)
      }
    }),
    { seed, numRuns: 150 },
  )
})

/** Reads what repeats, so that the next block is read in the scratch. */
function repeating(): Reading {
  const reading = new Reading()
  reading.read(deflatedBlock([0, 1, 2, 0, 1, 2].map((series) => [listOf(series, 1), 'one block with its size'])))
  return reading
}

test.each(Object.keys(arrays) as ArrayForm[])('%s, in the scratch', (form) => {
  const reading = repeating()
  const lists = [0, 1, 0, 5, 0].map((series, at) => listOf(series, at + 1))
  reading.read(deflatedBlock(lists.map((list) => [list, form])))
  expect(reading.reader.fault).toBeUndefined()
  const valuesOf = (datapoints: PlainList['datapoints']) => datapoints.map(({ value }) => value)
  for (const [series, datapoints] of Object.entries(seriesOf(lists)))
    expect(valuesOf(reading.series[series]!).slice(-datapoints.length)).toEqual(valuesOf(datapoints))
})

test.each<[string, Buffer, RegExp]>([
  [
    'is cut',
    encodeList(listOf(1, 1), 'one block with its size').subarray(0, -5),
    /holds a length that goes beyond its end/,
  ],
  [
    'says that it has more datapoints than fit',
    Buffer.concat([text('topic'), long(0), long(-3), long(20), Buffer.alloc(20), long(0)]),
    /more items than fit/,
  ],
  [
    'is followed by more bytes',
    Buffer.concat([encodeList(listOf(3, 1), 'one block with its size'), Buffer.alloc(1)]),
    /more bytes than its lists take/,
  ],
])('a list that %s, in the scratch: what came before it is given', (_what, bytes, message) => {
  const reading = repeating()
  const before = reading.lists.length
  const good = [0, 1, 0].map((series) => listOf(series, 1))
  const packed = deflateRawSync(
    Buffer.concat([...good.map((list) => encodeList(list, 'one block with its size')), bytes]),
  )
  reading.read(Buffer.concat([long(4), long(packed.length), packed, sync]))
  expect(reading.reader.fault?.message).toMatch(message)
  expect(reading.reader.fault?.message).toMatch(/^Avro block 2, at byte \d+ of the stream, .* corrupt\.$/)
  const given = reading.lists.slice(before).map(toPlain)
  expect(given.slice(0, 2).map(({ datapoints }) => datapoints)).toEqual([
    good[0]!.datapoints.concat(good[2]!.datapoints),
    good[1]!.datapoints,
  ])
})

test('what is left of a block outside of the scratch stays when that is used again', () => {
  const reading = repeating()
  const several: ArrayForm = 'a block for each, with and without size'
  const large = [listOf(1, 8), listOf(3, 9)]
  const small = () => [listOf(2, 1), 'one block with its size'] as const
  reading.read(
    deflatedBlock([
      [listOf(0, 2), several],
      small(),
      small(),
      small(),
      ...large.map((list) => [list, small()[1]] as const),
      small(),
    ]),
  )
  for (let block = 0; block < 3; block++)
    reading.read(deflatedBlock(Array.from({ length: 40 }, (_, at) => [listOf(4, at % 2), 'one block with its size'])))
  const given = reading.lists.map(toPlain).filter(({ datapoints }) => datapoints.length > 7)
  expect(given.slice(0, 2).map(({ datapoints }) => datapoints)).toEqual(large.map(({ datapoints }) => datapoints))
})

test('a slice that does not fit into the scratch is passed in parts', () => {
  const reading = repeating()
  // Eleven blocks of 60 kB, of which eight fit.
  const lists = Array.from({ length: 11 }, () => Array.from({ length: 10 }, (_, series) => listOf(series, 1, 6_000)))
  reading.read(
    Buffer.concat(lists.map((block) => deflatedBlock(block.map((list) => [list, 'one block with its size'])))),
  )
  expect(reading.reader.fault).toBeUndefined()
  const datapoints = Object.values(reading.series)
    .flat()
    .filter(({ name }) => name.length === 6_000)
  expect(datapoints).toHaveLength(110)
  expect(reading.cameIn).toBe(6 + 110)
})

test('a block as the product writes it', () => {
  const lists = Array.from({ length: 300 }, (_, at) => listOf(at % 7, 1 + (at % 3)))
  const own = lists.map(({ datapoints, ...list }) => ({ ...list, datapoints: encodeDatapoints(datapoints) }))
  const reading = repeating()
  const before = reading.lists.length
  reading.read(encodeOcfBlock(own, sync, 'deflate'))
  expect(seriesOf(reading.lists.slice(before).map(toPlain))).toEqual(seriesOf(lists))
})
