import { decodeDatapoints, encodeDatapoints, forEachDatapoint } from '../../src/codec/datapoints.js'

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
