import { inflateRawSync } from 'node:zlib'
import avro from 'avsc'
import fc from 'fast-check'
import { createOcfReader, decodeContainerFile, encodeContainerFile, encodeHead } from '../../src/codec/avro-ocf.js'
import { createListJoiner, type ListJoiner } from '../../src/codec/list-joiner.js'
import { listsOf } from '../../src/model/datapoints-view.js'
import type { MetricList, Tag } from '../../src/model/metric-list.js'
import { anyBlocks, anyCodec, anyList, fromPlain, type PlainList, streamOf, toPlain } from '../support/avro-streams.js'

const seed = 20_260_101
const list: PlainList = { topic: 'a', tags: [], datapoints: [{ name: 'n', timeMs: 1, value: 2 }] }

test(`every splitting of a stream gives the same lists (seed ${seed})`, () => {
  fc.assert(
    fc.property(anyBlocks, anyCodec, fc.array(fc.nat({ max: 10_000 }), { maxLength: 12 }), (blocks, codec, cuts) => {
      const stream = streamOf(blocks, codec)
      const reader = createOcfReader()
      const positions = [...cuts.map((cut) => cut % (stream.length + 1)), 0, stream.length].sort((a, b) => a - b)
      const lists = positions.flatMap((end, at) => reader.push(stream.subarray(positions[at - 1] ?? 0, end)))
      reader.end()
      expect(reader.fault).toBeUndefined()
      expect(reader.undecodedBytes).toBe(0)
      expect(lists.map(toPlain)).toEqual(blocks.flat())
    }),
    { seed, numRuns: 300 },
  )
})

test.each(['null', 'deflate'] as const)('a piece is read in slices of whole blocks, with codec %s', (codec) => {
  const blocks = Array.from({ length: 12 }, (_, at) => Array(100).fill({ ...list, topic: `t${at}` }))
  const stream = streamOf(blocks, codec)
  const reader = createOcfReader()
  const slices: string[][] = []
  for (let pos = 0; pos < stream.length; ) {
    const lists: MetricList[] = []
    pos = reader.readSome(stream, pos, lists)
    expect(reader.undecodedBytes).toBe(0)
    slices.push(lists.map(({ topic }) => topic))
  }
  expect(slices.map(({ length }) => length)).toEqual([600, 600])
  expect(slices.flat()).toEqual(blocks.flat().map(({ topic }) => topic))
})

test.each(['null', 'deflate'] as const)('small lists of a slice are joined, with codec %s', (codec) => {
  const series = ['a', 'b', 'c'].map((topic) => ({ ...list, topic }))
  const blocks = Array.from({ length: 12 }, () => Array.from({ length: 100 }, (_, at) => series[at % 3]!))
  const stream = streamOf(blocks, codec)
  const [reader, joiner] = [createOcfReader(), createListJoiner() as ListJoiner]
  const slices: MetricList[][] = []
  for (let pos = 0; pos < stream.length; ) {
    const lists: MetricList[] = []
    pos = reader.readSome(stream, pos, lists, joiner)
    slices.push(lists)
  }
  // Slices are as long as without joining: 600 lists.
  expect(slices.map((lists) => lists.map(({ topic, datapoints }) => [topic, datapoints.count]))).toEqual([
    [
      ['a', 204],
      ['b', 198],
      ['c', 198],
    ],
    [
      ['a', 204],
      ['b', 198],
      ['c', 198],
    ],
  ])
  const datapoints = slices.flat().flatMap((joined) => toPlain(joined).datapoints)
  expect(datapoints).toEqual(Array(1200).fill(list.datapoints[0]))
})

test(`joining loses and changes no datapoint, however the stream is cut (seed ${seed})`, () => {
  fc.assert(
    fc.property(anyBlocks, anyCodec, fc.nat({ max: 10_000 }), (blocks, codec, cut) => {
      const stream = streamOf(blocks, codec)
      const [reader, joiner] = [createOcfReader(), createListJoiner() as ListJoiner]
      const lists: MetricList[] = []
      const middle = cut % (stream.length + 1)
      for (const piece of [stream.subarray(0, middle), stream.subarray(middle)])
        for (let pos = 0; pos < piece.length; ) pos = reader.readSome(piece, pos, lists, joiner)
      reader.end()
      expect(reader.fault).toBeUndefined()
      expect(bySeries(lists.map(toPlain))).toEqual(bySeries(blocks.flat()))
      expect(lists.reduce((sum, { datapoints }) => sum + listsOf(datapoints), 0)).toBe(blocks.flat().length)
    }),
    { seed, numRuns: 300 },
  )
})

/** The datapoints of each topic and tags, in their order. */
function bySeries(lists: readonly PlainList[]): Map<string, PlainList['datapoints']> {
  const series = new Map<string, PlainList['datapoints']>()
  for (const { topic, tags, datapoints } of lists) {
    const key = JSON.stringify([topic, tags])
    series.set(key, [...(series.get(key) ?? []), ...datapoints])
  }
  return series
}

test('a block that is followed by a wrong marker comes behind what was joined before it', () => {
  const one = (value: number): PlainList => ({ ...list, datapoints: [{ name: 'n', timeMs: 1, value }] })
  const stream = streamOf([
    [one(1), one(2)],
    [one(3), one(4)],
  ])
  stream.fill(0, stream.length - 16)
  const [reader, joiner] = [createOcfReader(), createListJoiner() as ListJoiner]
  const lists: MetricList[] = []
  reader.readSome(stream, 0, lists, joiner)
  expect(reader.fault?.code).toBe('DS_AVRO_SYNC')
  expect(lists.map((each) => toPlain(each).datapoints.map(({ value }) => value))).toEqual([[1, 2], [3], [4]])
})

test('a fault ends the slices of a piece behind what was complete before it', () => {
  const stream = Buffer.concat([
    streamOf([Array(600).fill(list), [list]]),
    Buffer.from('not a block at all, not even one'),
  ])
  const reader = createOcfReader()
  const lists: MetricList[] = []
  const first = reader.readSome(stream, 0, lists)
  expect(lists).toHaveLength(600)
  expect(reader.fault).toBeUndefined()
  expect(reader.readSome(stream, first, lists)).toBe(stream.length)
  expect(lists).toHaveLength(601)
  expect(reader.fault).toBeDefined()
  expect(reader.undecodedBytes).toBe(32)
  expect(reader.readSome(Buffer.alloc(10), 0, lists)).toBe(10)
  expect(reader.undecodedBytes).toBe(42)
})

test('one byte at a time', () => {
  const blocks = [[{ topic: 'a', tags: [], datapoints: [{ name: 'n', timeMs: 1, value: 2 }] }], []]
  const reader = createOcfReader()
  const lists = [...streamOf(blocks)].flatMap((byte) => reader.push(Uint8Array.of(byte)))
  reader.end()
  expect(reader.fault).toBeUndefined()
  expect(lists.map(toPlain)).toEqual(blocks.flat())
})

test(`a container file comes back as it was (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.array(anyList, { maxLength: 6 }), (plain) => {
      const { lists, fault } = decodeContainerFile(encodeContainerFile(plain.map(fromPlain)))
      expect(fault).toBeUndefined()
      expect(lists.map(toPlain)).toEqual(plain)
    }),
    { seed, numRuns: 200 },
  )
})

test('a container file leaves the headroom in front of it alone, and takes heads that are known', () => {
  const lists = [fromPlain(list), fromPlain({ ...list, topic: 'other' })]
  const file = encodeContainerFile(lists, { headroom: 100, heads: lists.map(encodeHead) })
  expect(file.byteOffset).toBeGreaterThanOrEqual(100)
  const { lists: read, fault } = decodeContainerFile(file)
  expect(fault).toBeUndefined()
  expect(read.map(toPlain)).toEqual([list, { ...list, topic: 'other' }])
})

test('sync markers differ from file to file', () => {
  const markers = Array.from({ length: 600 }, () => encodeContainerFile([]).subarray(-16).toString('hex'))
  expect(new Set(markers).size).toBe(600)
})

test(`avsc reads what we write (seed ${seed})`, () => {
  fc.assert(
    fc.property(anyBlocks, anyCodec, (blocks, codec) => {
      expect(readWithAvsc(streamOf(blocks, codec)).map(fromAvsc)).toEqual(blocks.flat())
    }),
    { seed, numRuns: 100 },
  )
})

test('lists with the same tags share one frozen array, also between connections and topics', () => {
  const tags = [{ key: 'host', value: 'a' }]
  const streams = ['x', 'y'].map((topic) => streamOf([[{ ...list, topic, tags }], [{ ...list, topic, tags }]]))
  const read = streams.flatMap((stream) => decodeContainerFile(stream).lists.map((list) => list.tags))
  expect(read).toHaveLength(4)
  expect(new Set(read).size).toBe(1)
  expect(Object.isFrozen(read[0]) && Object.isFrozen(read[0]?.[0])).toBe(true)
})

test('datapoints of a block that lies whole in a piece are a view of it', () => {
  const stream = streamOf([[list]])
  const { lists } = decodeContainerFile(stream)
  expect(lists[0]?.datapoints.bytes.buffer).toBe(stream.buffer)
})

/** By the types of the specification, since avsc's own stream never ends behind an empty block. */
function readWithAvsc(stream: Buffer): unknown[] {
  const marker = { type: 'fixed', name: 'Sync', size: 16 } as const
  const magic = { type: 'fixed', name: 'Magic', size: 4 } as const
  const headerType = recordOf('Header', { magic, meta: { type: 'map', values: 'bytes' }, marker })
  const blockType = recordOf('Block', { count: 'long', data: 'bytes', marker })
  const header = headerType.decode(stream, 0)
  const type = avro.Type.forSchema(JSON.parse(header.value.meta['avro.schema'].toString()))
  const records: unknown[] = []
  for (let offset = header.offset; offset < stream.length; ) {
    const block = blockType.decode(stream, offset)
    expect(block.value.marker).toEqual(header.value.marker)
    const { count, data } = block.value
    const inflated = header.value.meta['avro.codec'].toString() === 'deflate' ? inflateRawSync(data) : data
    let at = 0
    for (let left = count; left > 0; left--) {
      const record = type.decode(inflated, at)
      records.push(record.value)
      at = record.offset
    }
    expect(at).toBe(inflated.length)
    offset = block.offset
  }
  return records
}

function recordOf(name: string, fields: Record<string, avro.schema.AvroSchema>): avro.Type {
  return avro.Type.forSchema({
    type: 'record',
    name,
    fields: Object.entries(fields).map(([key, type]) => ({ name: key, type })),
  })
}

function fromAvsc(record: unknown): PlainList {
  const { topic, tags, datapoints } = record as { topic: string; tags: Tag[]; datapoints: AvroDatapoint[] }
  return {
    topic,
    tags: tags.map(({ key, value }) => ({ key, value })),
    datapoints: datapoints.map(({ name, time_ms, value }) => ({ name, timeMs: time_ms, value })),
  }
}

interface AvroDatapoint {
  name: string
  time_ms: number
  value: number
}
