import fc from 'fast-check'
import { DatapointReader } from '../../src/codec/datapoint-reader.js'
import { encodeDatapoints, forEachDatapoint } from '../../src/codec/datapoints.js'
import { NameCache } from '../../src/codec/name-cache.js'
import type { Datapoint, Datapoints } from '../../src/model/metric-list.js'

const seed = 2311

const name = fc.oneof(
  fc.string({ maxLength: 80 }),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.constantFrom('', 'n'.repeat(63), 'n'.repeat(64), 'n'.repeat(8191), 'n'.repeat(8192)),
)
// Times of six bytes, the first and the last of these, and others.
const timeMs = fc.oneof(
  fc.integer({ min: 1_469_124_000_000, max: 1_799_124_000_000 }),
  fc.constantFrom(
    0,
    -1,
    1,
    2 ** 34 - 1,
    2 ** 34,
    -(2 ** 34),
    2 ** 41 - 1,
    2 ** 41,
    -(2 ** 41),
    -(2 ** 41) - 1,
    2 ** 53 - 1,
  ),
  fc.maxSafeInteger(),
)
const points = fc.array(fc.record({ name, timeMs, value: fc.double() }), { maxLength: 12 })

type Read = [name: string, timeMs: number, value: number][]

const reader = new DatapointReader()

function readAll(datapoints: Datapoints): Read {
  const names = new NameCache((text) => text.length)
  const read: Read = []
  for (reader.open(datapoints); reader.next(); ) read.push([names.nameAt(reader).text, reader.timeMs, reader.value])
  return read
}

function visitAll(datapoints: Datapoints): Read {
  const read: Read = []
  forEachDatapoint(datapoints, (...point) => read.push(point))
  return read
}

/** Lies somewhere in a larger memory, as a list of a message does. */
function within({ count, bytes }: Datapoints, before: number): Datapoints {
  const memory = new Uint8Array(before + bytes.length + 40).fill(0xff)
  memory.set(bytes, before)
  return { count, bytes: memory.subarray(before, before + bytes.length) }
}

function check(property: (points: Datapoint[], place: number, spoil: number) => void): void {
  fc.assert(fc.property(points, fc.nat(30), fc.nat(), property), { seed, numRuns: 2000 })
}

describe(`what forEachDatapoint visits is read (seed ${seed})`, () => {
  test('of whole lists', () => {
    check((written, place) => {
      const datapoints = encodeDatapoints(written)
      expect(readAll(within(datapoints, place))).toEqual(
        written.map(({ name, timeMs, value }) => [name, timeMs, value]),
      )
    })
  })

  test('of lists that end early', () => {
    check((written, place, spoil) => {
      const { count, bytes } = encodeDatapoints(written)
      const datapoints = within({ count: count + 1, bytes: bytes.subarray(0, spoil % (bytes.length + 1)) }, place)
      expect(readAll(datapoints)).toEqual(visitAll(datapoints))
    })
  })

  test('of lists with a byte that is another one', () => {
    check((written, place, spoil) => {
      const { count, bytes } = encodeDatapoints(written)
      if (bytes.length > 0) bytes[spoil % bytes.length] = (spoil >>> 8) & 0xff
      const datapoints = within({ count, bytes }, place)
      expect(readAll(datapoints)).toEqual(visitAll(datapoints))
    })
  })
})

test('no more than count datapoints are read', () => {
  const { bytes } = encodeDatapoints([
    { name: 'a', timeMs: 1, value: 1 },
    { name: 'b', timeMs: 1, value: 1 },
  ])
  expect(readAll({ count: 1, bytes })).toEqual([['a', 1, 1]])
})

describe('a cache of names', () => {
  function namesRead(cache: NameCache<number>, names: readonly string[]): (string | number)[] {
    const read: (string | number)[] = []
    for (reader.open(encodeDatapoints(names.map((name) => ({ name, timeMs: 1, value: 1 })))); reader.next(); ) {
      const { text, made } = cache.nameAt(reader)
      read.push(text, made)
    }
    return read
  }

  test('makes each once, in whatever order they come again', () => {
    let made = 0
    const cache = new NameCache(() => ++made)
    expect(namesRead(cache, ['a', 'b', 'ab', 'a', 'b', 'b', 'ab'])).toEqual([
      'a',
      1,
      'b',
      2,
      'ab',
      3,
      'a',
      1,
      'b',
      2,
      'b',
      2,
      'ab',
      3,
    ])
  })

  test('forgets all when it is full', () => {
    let made = 0
    const cache = new NameCache(() => ++made, 2)
    expect(namesRead(cache, ['a', 'b', 'c', 'a'])).toEqual(['a', 1, 'b', 2, 'c', 3, 'a', 4])
  })

  test('names that are no UTF-8 and read the same are the same', () => {
    const bytes = Uint8Array.of(2, 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0xfe, 2, 0, 0, 0, 0, 0, 0, 0, 0)
    expect(readAll({ count: 2, bytes })).toEqual([
      ['\ufffd', 1, 0],
      ['\ufffd', 1, 0],
    ])
  })
})
