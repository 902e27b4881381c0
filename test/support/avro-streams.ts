import fc from 'fast-check'
import { encodeOcfBlock, encodeOcfHeader, type OcfCodec } from '../../src/codec/avro-ocf.js'
import { decodeDatapoints, encodeDatapoints } from '../../src/codec/datapoints.js'
import { longSize, writeLong } from '../../src/codec/varint.js'
import type { Datapoint, MetricList, Tag } from '../../src/model/metric-list.js'

/** Of every stream here. */
export const sync = Buffer.alloc(16, 0xfe)

/** A list whose datapoints are objects. */
export interface PlainList {
  topic: string
  tags: Tag[]
  datapoints: Datapoint[]
}

export const anyList: fc.Arbitrary<PlainList> = fc.record({
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
export const anyBlocks = fc.array(fc.array(anyList, { maxLength: 4 }), { maxLength: 4 })
export const anyCodec = fc.constantFrom<OcfCodec>('null', 'deflate')

export function fromPlain({ topic, tags, datapoints }: PlainList): MetricList {
  return { topic, tags, datapoints: encodeDatapoints(datapoints) }
}

export function toPlain({ topic, tags, datapoints }: MetricList): PlainList {
  expect(decodeDatapoints(datapoints)).toHaveLength(datapoints.count)
  return { topic, tags: [...tags], datapoints: decodeDatapoints(datapoints) }
}

export function streamOf(blocks: PlainList[][], codec: OcfCodec = 'null'): Buffer {
  return Buffer.concat([
    encodeOcfHeader(sync, codec),
    ...blocks.map((lists) => encodeOcfBlock(lists.map(fromPlain), sync, codec)),
  ])
}

/** A number as Avro's int or long. */
export function long(value: number): Buffer {
  const bytes = Buffer.alloc(longSize(value))
  writeLong(bytes, 0, value)
  return bytes
}
