import { encodeDatapoints } from '../../src/codec/datapoints.js'
import { createGraphiteNames } from '../../src/codec/graphite-line.js'
import { encodePickleFrames } from '../../src/codec/graphite-pickle.js'
import type { Datapoint, Tag } from '../../src/model/metric-list.js'

const names = createGraphiteNames({ prefix: '', prefixIds: true, tags: true })

function encode(points: Datapoint[], tags: Tag[] = []) {
  return encodePickleFrames([{ topic: 't', tags, datapoints: encodeDatapoints(points) }], names)
}

test('a message byte by byte', () => {
  const { frames } = encode([{ name: 'a.b', timeMs: 1_469_124_000_999, value: 0.1 }])
  const pickle = [
    '8002', // PROTO 2
    '5d28', // EMPTY_LIST, MARK
    '5803000000612e62', // BINUNICODE 'a.b'
    '4aa00d9157', // BININT 1469124000
    '473fb999999999999a', // BINFLOAT 0.1
    '8686', // TUPLE2 (seconds, value), TUPLE2 (path, ...)
    '652e', // APPENDS, STOP
  ].join('')
  expect(frames.map((frame) => frame.toString('hex'))).toEqual([`0000001e${pickle}`])
})

test.each([
  ['beyond 2038', 4_102_444_800_000, '8a0800 57 86 f4 00 00 00 00'.replaceAll(' ', '')],
  ['the largest int', 2_147_483_647_000, '4affffff7f'],
  ['before 1970', -1, '4affffffff'],
])('seconds %s', (_rule, timeMs, hex) => {
  const [frame] = encode([{ name: 'n', timeMs, value: 1 }]).frames
  expect(frame!.toString('hex')).toContain(hex)
})

test('500 datapoints a message, each with its own length', () => {
  const points = Array.from({ length: 1201 }, (_, at) => ({ name: `n${at}`, timeMs: at * 1000, value: at }))
  const { frames, datapoints } = encode(points)
  expect(datapoints).toBe(1201)
  expect(frames).toHaveLength(3)
  for (const frame of frames) {
    expect(frame.readUInt32BE(0)).toBe(frame.length - 4)
    expect([...frame.subarray(-2)]).toEqual([0x65, 0x2e])
  }
})

test('a message stays below 1 MiB, and what does not fit into one is told', () => {
  const tagged = (length: number) =>
    encode([{ name: 'n', timeMs: 0, value: 1 }], [{ key: 'k', value: 'v'.repeat(length) }])
  expect(tagged(1_000_000)).toMatchObject({ datapoints: 1, tooLarge: 0 })
  expect(tagged(1_100_000)).toEqual({ frames: [], datapoints: 0, notFinite: 0, tooLarge: 1, undecodable: 0 })
  const points = Array.from({ length: 30 }, (_, at) => ({ name: 'n', timeMs: at, value: 1 }))
  const { frames, datapoints } = encode(points, [{ key: 'k', value: '指'.repeat(100_000) }])
  expect(datapoints).toBe(30)
  for (const frame of frames) expect(frame.length).toBeLessThanOrEqual(1024 * 1024)
})

test('NaN and infinities are left out and told; nothing left, no message', () => {
  const points = [Number.NaN, Number.NEGATIVE_INFINITY].map((value) => ({ name: 'n', timeMs: 0, value }))
  expect(encode(points)).toEqual({ frames: [], datapoints: 0, notFinite: 2, tooLarge: 0, undecodable: 0 })
})
