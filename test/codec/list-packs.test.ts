import avsc from 'avsc'
import {
  createOcfReader,
  decodeContainerFile,
  encodeContainerFile,
  encodeOcfBlock,
  encodeOcfHeader,
} from '../../src/codec/avro-ocf.js'
import { unpackLists } from '../../src/codec/list-packs.js'
import { StatsdChunk } from '../../src/codec/statsd-chunk.js'
import { defaultStatsdRules, StatsdCounts, StatsdPacketReader } from '../../src/codec/statsd-packet.js'
import { SectionMemory, StatsdSender } from '../../src/codec/statsd-sender.js'
import { ListPack } from '../../src/model/list-pack.js'
import { countDatapoints, type MetricList } from '../../src/model/metric-list.js'
import { encodeBlocks } from '../../src/outputs/ocf-blocks.js'
import { measure, sizeOf } from '../../src/pipeline/batch.js'
import { sync } from '../support/avro-streams.js'
import { identity, summary } from '../support/statsd-reading.js'

const manyTags = Array.from({ length: 200 }, (_, i) => `k${i}:v`).join(',')

/** What the StatsD input makes of packets, where each is a chunk. */
function readChunks(packets: readonly string[]) {
  const sender = new StatsdSender(identity, new SectionMemory())
  const chunk = new StatsdChunk({ limit: Number.POSITIVE_INFINITY, onFull() {} })
  const reader = new StatsdPacketReader(chunk, new StatsdCounts(), defaultStatsdRules)
  return packets.map((text) => {
    reader.read(Buffer.from(text), 1000, { sender, gauges: undefined, onRow: undefined })
    return chunk.take()
  })
}

const packets = [
  'a:1|c|#k:v\nb:2|c\nc:3|c|#k:w\nd:4|c|#k:v',
  Array.from({ length: 100 }, (_, i) => `name.${i}:${i}|c|#${i % 3 === 0 ? manyTags : 'k:v'}`).join('\n'),
  `${'n'.repeat(1000)}:1|c\n`.repeat(40),
]

/** By a reader that is not ours. */
async function readWithAvsc(stream: Buffer): Promise<{ topic: string; datapoints: unknown[] }[]> {
  const decoder = new avsc.streams.BlockDecoder()
  decoder.end(stream)
  return decoder.toArray()
}

test('a chunk travels as one pack', () => {
  for (const [at, lists] of readChunks(packets).entries()) {
    expect(lists).toHaveLength(1)
    expect(lists[0]).toBeInstanceOf(ListPack)
    expect(countDatapoints(lists)).toBe([4, 100, 40][at])
    expect((lists[0] as ListPack).datapoints.lists).toBe([3, 2, 1][at])
  }
})

test('its lists are those that went in, in their order', () => {
  const [lists] = readChunks(packets) as [MetricList[]]
  const ids = 'framework_id=fw executor_id=ex container_id=c1'
  expect(summary(unpackLists(lists))).toEqual([`b 2 ${ids}`, `a 1 ${ids} k=v`, `d 4 ${ids} k=v`, `c 3 ${ids} k=w`])
  expect(unpackLists(lists).map(({ topic }) => topic)).toEqual(['fw', 'fw', 'fw'])
})

test('lists among packs stay as they are', () => {
  const plain: MetricList = { topic: 't', tags: [], datapoints: { count: 0, bytes: Buffer.alloc(0) } }
  const [[pack]] = readChunks(packets) as [[MetricList]]
  const lists = [plain]
  expect(unpackLists(lists)).toBe(lists)
  const unpacked = unpackLists([plain, pack, plain])
  expect(unpacked).toHaveLength(5)
  expect(unpacked[0]).toBe(plain)
  expect(unpacked[4]).toBe(plain)
})

test('a pack is not taken for a list', () => {
  const [[pack]] = readChunks(packets) as [[MetricList]]
  expect(() => pack.topic).toThrow('unpackLists')
  expect(() => pack.tags).toThrow('unpackLists')
})

test.each([
  'null',
  'deflate',
] as const)('a block of packs and lists, %s: what avsc reads are the lists', async (codec) => {
  const chunks = readChunks(packets)
  const plain = unpackLists(readChunks(['z:9|g|#last:1'])[0] as MetricList[])
  const lists = [...chunks.flat(), ...plain]
  const stream = Buffer.concat([encodeOcfHeader(sync, codec), encodeOcfBlock(lists, sync, codec)])
  const each = unpackLists(lists)
  const expected = Buffer.concat([encodeOcfHeader(sync, codec), encodeOcfBlock(each, sync, codec)])
  expect(stream.equals(expected)).toBe(true)
  expect((await readWithAvsc(stream)).map(({ topic, datapoints }) => [topic, datapoints.length])).toEqual(
    each.map(({ topic, datapoints }) => [topic, datapoints.count]),
  )
  const read: MetricList[] = []
  createOcfReader().readSome(stream, 0, read)
  expect(summary(read)).toEqual(summary(each))
})

test('a container file of packs, as a process gives to the next one', () => {
  const lists = readChunks(packets).flat()
  const { lists: read, fault } = decodeContainerFile(encodeContainerFile(lists))
  expect(fault).toBeUndefined()
  expect(summary(read)).toEqual(summary(unpackLists(lists)))
})

test('a pack that is too large for a block becomes several; a list that is too large alone is dropped and told', () => {
  const lines = Array.from({ length: 50 }, (_, i) => `${'n'.repeat(i === 20 ? 1000 : 100)}:${i}|c|#k:${i}`)
  const lists = readChunks([lines.join('\n')]).flat()
  const { blocks, drops } = encodeBlocks(lists, sync, 1000)
  expect(blocks.length).toBeGreaterThan(5)
  for (const { length } of blocks) expect(length).toBeLessThanOrEqual(1000)
  expect(drops).toEqual([expect.objectContaining({ datapoints: 1, reason: 'too_large' })])
  const read: MetricList[] = []
  const stream = Buffer.concat([encodeOcfHeader(sync), ...blocks])
  const reader = createOcfReader()
  for (let at = 0; at < stream.length; ) at = reader.readSome(stream, at, read)
  expect(summary(read)).toEqual(summary(lists).filter((_, i) => i !== 20))
})

test('what a pack takes in memory and on the wire are its bytes', () => {
  const [[pack]] = readChunks(packets) as [[ListPack]]
  expect(measure([pack, pack])).toEqual({ datapoints: 8, bytes: 2 * sizeOf(pack) })
  expect(sizeOf(pack)).toBeGreaterThanOrEqual(pack.datapoints.byteLength)
})
