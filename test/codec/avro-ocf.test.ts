import { inflateRawSync } from 'node:zlib'
import avro from 'avsc'
import fc from 'fast-check'
import {
  createOcfReader,
  decodeContainerFile,
  encodeContainerFile,
  encodeOcfBlock,
  encodeOcfHeader,
  type OcfCodec,
} from '../../src/codec/avro-ocf.js'
import { decodeDatapoints, encodeDatapoints } from '../../src/codec/datapoints.js'
import type { Datapoint, MetricList, Tag } from '../../src/model/metric-list.js'

const seed = 20_260_101
const sync = Buffer.alloc(16, 0xfe)

interface PlainList {
  topic: string
  tags: Tag[]
  datapoints: Datapoint[]
}

const anyList: fc.Arbitrary<PlainList> = fc.record({
  topic: fc.string({ unit: 'binary', maxLength: 20 }),
  tags: fc.array(fc.record({ key: fc.string({ maxLength: 12 }), value: fc.string({ unit: 'binary' }) }), {
    maxLength: 4,
  }),
  datapoints: fc.array(
    fc.record({
      name: fc.string({ unit: 'binary', maxLength: 80 }),
      timeMs: fc.integer({ min: -(2 ** 52), max: 2 ** 52 }),
      value: fc.double(),
    }),
    { maxLength: 5 },
  ),
})
const anyBlocks = fc.array(fc.array(anyList, { maxLength: 4 }), { maxLength: 4 })
const anyCodec = fc.constantFrom<OcfCodec>('null', 'deflate')

function fromPlain({ topic, tags, datapoints }: PlainList): MetricList {
  return { topic, tags, datapoints: encodeDatapoints(datapoints) }
}

function toPlain({ topic, tags, datapoints }: MetricList): PlainList {
  expect(decodeDatapoints(datapoints)).toHaveLength(datapoints.count)
  return { topic, tags: [...tags], datapoints: decodeDatapoints(datapoints) }
}

function streamOf(blocks: PlainList[][], codec: OcfCodec = 'null'): Buffer {
  return Buffer.concat([
    encodeOcfHeader(sync, codec),
    ...blocks.map((lists) => encodeOcfBlock(lists.map(fromPlain), sync, codec)),
  ])
}

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

test(`avsc reads what we write (seed ${seed})`, () => {
  fc.assert(
    fc.property(anyBlocks, anyCodec, (blocks, codec) => {
      expect(readWithAvsc(streamOf(blocks, codec)).map(fromAvsc)).toEqual(blocks.flat())
    }),
    { seed, numRuns: 100 },
  )
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
