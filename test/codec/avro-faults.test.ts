import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { createOcfReader, decodeContainerFile, encodeOcfBlock, encodeOcfHeader } from '../../src/codec/avro-ocf.js'
import { decodeDatapoints, encodeDatapoints, forEachDatapoint } from '../../src/codec/datapoints.js'
import type { MetricList } from '../../src/model/metric-list.js'
import {
  anyBlocks,
  anyCodec,
  fromPlain,
  long,
  type PlainList,
  streamOf,
  sync,
  toPlain,
} from '../support/avro-streams.js'

const seed = 20_260_103

test(`arbitrary and mutated bytes never throw, and what was complete before is kept (seed ${seed})`, () => {
  const mutation = fc.record({ at: fc.nat(), byte: fc.nat({ max: 255 }), cut: fc.boolean() })
  fc.assert(
    fc.property(anyBlocks, anyCodec, fc.array(mutation, { minLength: 1, maxLength: 3 }), (blocks, codec, mutations) => {
      const stream = streamOf(blocks, codec)
      const firstChange = Math.min(...mutations.map(({ at }) => at % stream.length))
      const mutated = mutations.reduce(
        (bytes, { at, byte, cut }) => mutate(bytes, at % stream.length, byte, cut),
        stream,
      )
      const { lists, fault } = decodeContainerFile(mutated)
      const untouched = blocks.filter((_, n) => streamOf(blocks.slice(0, n + 1), codec).length <= firstChange).flat()
      expect(lists.slice(0, untouched.length).map(toPlain)).toEqual(untouched)
      for (const { datapoints } of lists)
        expect(decodeDatapoints(datapoints).length).toBeLessThanOrEqual(datapoints.count)
      if (fault !== undefined) expect(fault.code).toMatch(/^DS_AVRO_/)
    }),
    { seed, numRuns: 2000 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, withHeader) => {
      const stream = withHeader ? Buffer.concat([encodeOcfHeader(sync), bytes]) : bytes
      const { lists, fault } = decodeContainerFile(stream)
      expect(lists.flatMap(({ datapoints }) => decodeDatapoints(datapoints))).toEqual([])
      if (bytes.length > 0) expect(fault).toBeDefined()
    }),
    { seed, numRuns: 2000 },
  )
})

const goodList: PlainList = { topic: 'a', tags: [], datapoints: [{ name: 'n', timeMs: 1, value: 2 }] }
const goodBlock = encodeOcfBlock([fromPlain(goodList)], sync)
const wide = Buffer.from([...Array(8).fill(0xfe), 0x7e])
const otherSync = Buffer.alloc(16, 0xab)

test.each<[string, Buffer, string, RegExp]>([
  [
    'a stream that ends inside a block',
    goodBlock.subarray(0, -20),
    'DS_AVRO_TRUNCATED',
    /ends inside Avro block 2, at byte \d+ of the stream, after 15 of 35 bytes/,
  ],
  [
    'a block that declares 2^40 bytes',
    Buffer.concat([long(1), long(2 ** 40), Buffer.alloc(100)]),
    'DS_AVRO_TOO_LARGE',
    /block 2, at byte \d+ of the stream, declares 1099511627776 bytes; at most 16777216 are taken/,
  ],
  ['a block that declares 2^62 bytes', Buffer.concat([long(1), wide]), 'DS_AVRO_TOO_LARGE', /declares 4\d{18} bytes/],
  [
    'a block of too many lists',
    Buffer.concat([long(2 ** 30), long(9)]),
    'DS_AVRO_TOO_LARGE',
    /declares 1073741824 lists/,
  ],
  ['a negative number of lists', Buffer.concat([long(-1), long(9)]), 'DS_AVRO_MALFORMED', /negative number of lists/],
  ['a negative size', Buffer.concat([long(1), long(-9)]), 'DS_AVRO_MALFORMED', /negative size/],
  ['a number of more than 64 bits', Buffer.alloc(20, 0xff), 'DS_AVRO_MALFORMED', /more than 64 bits/],
  ['more bytes than the lists take', block(1, [0, 0, 0, 0]), 'DS_AVRO_MALFORMED', /more bytes than its lists take/],
  ['fewer bytes than the lists take', block(2, [0, 0, 0]), 'DS_AVRO_MALFORMED', /ends inside a number/],
  ['a topic longer than its block', block(1, [100, 0, 0]), 'DS_AVRO_MALFORMED', /length that goes beyond its end/],
  ['a topic of negative length', block(1, [1, 0, 0]), 'DS_AVRO_MALFORMED', /negative length/],
  ['more tags than can fit', block(1, [0, 100, 0, 0]), 'DS_AVRO_MALFORMED', /more items than fit/],
  ['tags of another size than said', block(1, [0, 1, 8, 0, 0, 0, 0, 0]), 'DS_AVRO_MALFORMED', /tags of another size/],
  ['more datapoints than can fit', block(1, [0, 0, 100, ...Array(10).fill(0), 0]), 'DS_AVRO_MALFORMED', /more items/],
  [
    'more datapoints than fit into the size of their array',
    block(1, [0, 0, 3, 38, ...Array(19).fill(0), 0]),
    'DS_AVRO_MALFORMED',
    /more items than fit/,
  ],
  ['an array larger than its block', block(1, [0, 0, 1, 120, 0, 0]), 'DS_AVRO_MALFORMED', /goes beyond its end/],
  ['a count of -2^63', block(1, [0, 0, ...Array(9).fill(0xff), 1, 4, 0, 0, 0]), 'DS_AVRO_MALFORMED', /more items/],
])('%s is a fault, and the block before it is kept', (_rule, second, code, message) => {
  const { lists, fault } = decodeContainerFile(Buffer.concat([encodeOcfHeader(sync), goodBlock, second]))
  expect(lists.map(toPlain)[0]).toEqual(goodList)
  expect({ code: fault?.code, message: fault?.message }).toEqual({ code, message: expect.stringMatching(message) })
})

test('a block followed by a wrong sync marker is kept where it is whole in itself', () => {
  const stream = Buffer.concat([encodeOcfHeader(sync), goodBlock, encodeOcfBlock([fromPlain(goodList)], otherSync)])
  const { lists, fault } = decodeContainerFile(stream)
  expect(lists.map(toPlain)).toEqual([goodList, goodList])
  expect(fault?.code).toBe('DS_AVRO_SYNC')
  const corrupt = decodeContainerFile(Buffer.concat([encodeOcfHeader(sync), goodBlock, block(2, [0, 0, 0], otherSync)]))
  expect(corrupt.lists).toHaveLength(1)
  expect(corrupt.fault?.message).toMatch(/Avro block 2, at byte \d+ of the stream, is followed by a wrong sync marker/)
})

test.each<[string, string | Buffer, string, RegExp]>([
  ['nothing at all', '', 'DS_AVRO_TRUNCATED', /There is nothing/],
  ['an HTTP request', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'DS_AVRO_NOT_A_CONTAINER', /like an HTTP request/],
  ['a TLS handshake', Buffer.from('160301020001', 'hex'), 'DS_AVRO_NOT_A_CONTAINER', /like a TLS handshake/],
  ['a StatsD line', 'hits:1|c\n', 'DS_AVRO_NOT_A_CONTAINER', /the text "hits/],
  [
    'other bytes',
    Buffer.from('00ff00ff00ff00ff00ff', 'hex'),
    'DS_AVRO_NOT_A_CONTAINER',
    /the bytes 00 ff 00 ff .*and not/,
  ],
  ['two bytes of text', 'hi', 'DS_AVRO_NOT_A_CONTAINER', /the text "hi"/],
  ['an older version of Avro files', 'Obj\x00aaaa', 'DS_AVRO_NOT_A_CONTAINER', /4f 62 6a 00/],
  [
    'a header cut off',
    encodeOcfHeader(sync).subarray(0, -1),
    'DS_AVRO_TRUNCATED',
    /inside its Avro header, after \d+ bytes/,
  ],
  ['a header without a schema', header({}), 'DS_AVRO_HEADER', /no avro\.schema/],
  ['an unknown codec', header({ 'avro.codec': 'zstandard' }), 'DS_AVRO_CODEC', /"zstandard" is not known here/],
  ['a schema that is no JSON', header({ 'avro.schema': '{' }), 'DS_AVRO_SCHEMA', /not an Avro schema/],
  ['a schema that is no schema', header({ 'avro.schema': '{"type":"x"}' }), 'DS_AVRO_SCHEMA', /unknown type: "x"/],
  [
    'a header over 1 MiB',
    header({ junk: 'x'.repeat(1024 * 1024) }),
    'DS_AVRO_TOO_LARGE',
    /header takes more than 1048576/,
  ],
  ['a header that declares 2^40 bytes', Buffer.from('T2JqAQKAgICAgEA=', 'base64'), 'DS_AVRO_TOO_LARGE', /header takes/],
  ['a header of endless entries', endlessHeader(), 'DS_AVRO_TOO_LARGE', /header takes more than/],
])('a stream that begins with %s is refused', (_what, start, code, message) => {
  const bytes = Buffer.from(start as string)
  for (const pieces of [[bytes], [...bytes.subarray(0, 2000)].map((byte) => Uint8Array.of(byte))]) {
    if (pieces.length > 1 && bytes.length > 2000) continue
    const reader = createOcfReader()
    for (const piece of pieces) expect(reader.push(piece)).toEqual([])
    reader.end()
    expect(reader.opened).toBe(false)
    expect({ code: reader.fault?.code, message: reader.fault?.message }).toEqual({
      code,
      message: expect.stringMatching(message),
    })
  }
})

test('what an inflated block may take is bounded', () => {
  const bomb = deflateRawSync(Buffer.alloc(65 * 1024 * 1024))
  const stream = Buffer.concat([encodeOcfHeader(sync, 'deflate'), long(1), long(bomb.length), bomb, sync])
  expect(decodeContainerFile(stream).fault?.message).toMatch(/inflates to more than 67108864 bytes/)
  const junk = Buffer.concat([encodeOcfHeader(sync, 'deflate'), long(1), long(4), Buffer.alloc(4, 0xff), sync])
  expect(decodeContainerFile(junk).fault?.message).toMatch(/cannot be inflated/)
})

test('a fault is final: what comes after it is only counted', () => {
  const reader = createOcfReader()
  const header = encodeOcfHeader(sync)
  reader.push(Buffer.concat([header, goodBlock, block(1, [100, 0, 0])]))
  const { fault } = reader
  expect(reader.push(goodBlock)).toEqual([])
  expect(reader.end()).toEqual([])
  expect(reader.fault).toBe(fault)
  expect(reader.undecodedBytes).toBe(block(1, [100, 0, 0]).length + goodBlock.length)
})

test('a block of 6 MB that comes in pieces of 100 bytes costs no more than its bytes', () => {
  const points = encodeDatapoints(Array.from({ length: 500_000 }, (_, n) => ({ name: 'n', timeMs: n, value: n })))
  const stream = Buffer.concat([
    encodeOcfHeader(sync),
    encodeOcfBlock([{ topic: 't', tags: [], datapoints: points }], sync),
  ])
  const reader = createOcfReader()
  const lists: MetricList[] = []
  const startMs = performance.now()
  for (let pos = 0; pos < stream.length; pos += 100) lists.push(...reader.push(stream.subarray(pos, pos + 100)))
  expect(lists[0]?.datapoints.bytes.length).toBe(points.bytes.length)
  // Copying everything anew for each piece would move 160 GB.
  expect(performance.now() - startMs).toBeLessThan(5000)
})

test('a count that lies within what its size can hold ends the visit early', () => {
  const point = encodeDatapoints([{ name: 'abcdefghijk', timeMs: 1, value: 2 }]).bytes
  const { lists, fault } = decodeContainerFile(
    Buffer.concat([encodeOcfHeader(sync), block(1, [0, 0, 3, point.length * 2, ...point, 0])]),
  )
  expect(fault).toBeUndefined()
  expect(lists[0]?.datapoints.count).toBe(2)
  const names: string[] = []
  expect(forEachDatapoint(lists[0]!.datapoints, (name) => names.push(name))).toBe(1)
  expect(names).toEqual(['abcdefghijk'])
})

function mutate(bytes: Buffer, at: number, byte: number, cut: boolean): Buffer {
  const mutated = Buffer.from(bytes)
  if (at < mutated.length) mutated[at] = byte
  return cut ? mutated.subarray(0, at) : mutated
}

function block(lists: number, data: number[], marker = sync): Buffer {
  return Buffer.concat([long(lists), long(data.length), Buffer.from(data), marker])
}

function header(entries: Record<string, string>): Buffer {
  const items = Object.entries(entries)
    .flat()
    .flatMap((text) => [long(Buffer.byteLength(text)), Buffer.from(text)])
  const map = items.length === 0 ? [] : [long(items.length / 4), ...items]
  return Buffer.concat([Buffer.from('Obj\x01'), ...map, long(0), sync])
}

function endlessHeader(): Buffer {
  return Buffer.concat([Buffer.from('Obj\x01'), long(2 ** 40), Buffer.alloc(2 * 1024 * 1024)])
}
