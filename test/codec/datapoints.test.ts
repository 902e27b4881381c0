import { areWhole, decodeDatapoints, encodeDatapoints, forEachDatapoint } from '../../src/codec/datapoints.js'

const points = [
  { name: 'a', timeMs: 1_700_000_000_000, value: 1.5 },
  { name: '', timeMs: 0, value: Number.NaN },
  { name: 'größe', timeMs: -1, value: -0 },
]

test('datapoints come back as they were', () => {
  expect(decodeDatapoints(encodeDatapoints(points))).toEqual(points)
  expect(decodeDatapoints(encodeDatapoints(new Set(points)))).toEqual(points)
  expect(encodeDatapoints([])).toEqual({ count: 0, bytes: Buffer.alloc(0) })
})

test.each([
  [1.9, 1],
  [-1.9, -1],
  [Number.NaN, 0],
  [Number.POSITIVE_INFINITY, 0],
  [2 ** 60, 0],
])('a time of %d ms is stored as %d', (timeMs, stored) => {
  expect(decodeDatapoints(encodeDatapoints([{ name: 'n', timeMs, value: 1 }]))[0]?.timeMs).toBe(stored + 0)
})

test('bytes that are cut anywhere give the datapoints before the cut, and how many they were', () => {
  const { count, bytes } = encodeDatapoints(points)
  const ends = points.map((_, n) => encodeDatapoints(points.slice(0, n + 1)).bytes.length)
  for (let length = 0; length <= bytes.length; length++) {
    const names: string[] = []
    const visited = forEachDatapoint({ count, bytes: bytes.subarray(0, length) }, (name) => names.push(name))
    expect(visited).toBe(ends.filter((end) => end <= length).length)
    expect(names).toEqual(points.slice(0, visited).map(({ name }) => name))
  }
})

test('what the visitor throws is not swallowed', () => {
  const boom = () => {
    throw new Error('boom')
  }
  expect(() => forEachDatapoint(encodeDatapoints(points), boom)).toThrow('boom')
})

describe('datapoints that are looked through before others are put behind them', () => {
  const bytesOf = (nameLength: number, timeMs = 1_700_000_000_000) =>
    encodeDatapoints([
      { name: 'n'.repeat(nameLength), timeMs, value: -1 },
      { name: 'n', timeMs: 1, value: 2 },
    ])

  test.each([
    0, 1, 63, 64, 300, 8191,
  ])('are whole with a name of %i bytes, and not with one byte less or more', (length) => {
    const { count, bytes } = bytesOf(length)
    expect(areWhole({ count, bytes })).toBe(true)
    expect(areWhole({ count, bytes: bytes.subarray(0, -1) })).toBe(false)
    expect(areWhole({ count, bytes: Buffer.concat([bytes, Buffer.alloc(1)]) })).toBe(false)
  })

  test.each([0, 1, -1, 2 ** 31, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER])('are whole at %i ms', (timeMs) => {
    expect(areWhole(bytesOf(5, timeMs))).toBe(true)
  })

  test('are not believed with a longer name: they go by themselves', () => {
    expect(areWhole(bytesOf(8192))).toBe(false)
  })

  test.each([0, 1, 3])('are not %i where there are two', (count) => {
    expect(areWhole({ count, bytes: bytesOf(5).bytes })).toBe(false)
  })
})
