import fc from 'fast-check'
import { decodeContainerFile, encodeContainerFile } from '../../src/codec/avro-ocf.js'
import { hashBytes, sameBytes } from '../../src/codec/byte-compare.js'
import { encodeDatapoints } from '../../src/codec/datapoints.js'
import { GenerationCache } from '../../src/codec/generation-cache.js'
import { readUtf8 } from '../../src/codec/utf8.js'

const seed = 20_260_104

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

test(`bytes are the same only where all of them are, and then their hashes are too (seed ${seed})`, () => {
  const fewBytes = fc.uint8Array({ maxLength: 11, max: 2 })
  fc.assert(
    fc.property(fewBytes, fewBytes, fc.nat({ max: 5 }), (a, b, shift) => {
      const shifted = Buffer.concat([Buffer.alloc(shift, 9), b])
      const same = a.length === b.length && sameBytes(viewOf(a), 0, viewOf(shifted), shift, a.length)
      expect(same).toBe(Buffer.from(a).equals(b))
      if (same) expect(hashBytes(viewOf(a), 0, a.length)).toBe(hashBytes(viewOf(shifted), shift, b.length))
    }),
    { seed, numRuns: 3000 },
  )
})

test('one other bit is found in every place of every length', () => {
  for (let length = 1; length <= 50; length++) {
    const bytes = Buffer.alloc(length, 7)
    expect(sameBytes(viewOf(bytes), 0, viewOf(Buffer.from(bytes)), 0, length)).toBe(true)
    for (let place = 0; place < length; place++) {
      const other = Buffer.from(bytes)
      other[place]! ^= 0x80
      expect(sameBytes(viewOf(bytes), 0, viewOf(other), 0, length)).toBe(false)
    }
  }
})

test(`a text comes back, whatever was read before (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 80 }), { minLength: 1, maxLength: 50 }), (texts) => {
      for (const text of [...texts, ...texts]) {
        const bytes = Buffer.from(text)
        expect(readUtf8(viewOf(bytes), 0, bytes.length)).toBe(text)
      }
    }),
    { seed, numRuns: 500 },
  )
})

test('bytes that are no UTF-8 become U+FFFD', () => {
  expect(readUtf8(viewOf(Buffer.from('61ff62', 'hex')), 0, 3)).toBe('a\u{fffd}b')
})

test('a generation cache keeps what is asked for and forgets the rest, telling of it', () => {
  const forgotten: number[] = []
  const cache = new GenerationCache<string, number>({
    limit: 10,
    weightOf: () => 1,
    forget: (value) => forgotten.push(value),
  })
  for (let n = 0; n < 100; n++) {
    cache.set(`key-${n}`, n)
    expect(cache.get('key-0')).toBe(0)
  }
  expect(cache.get('key-50')).toBeUndefined()
  expect(cache.get('key-99')).toBe(99)
  expect(forgotten).toContain(50)
  expect(forgotten).not.toContain(0)
  expect(forgotten.length).toBeGreaterThanOrEqual(100 - 2 * 10)
})

test('tags of more than 16 KiB are read, though not remembered', () => {
  const list = { topic: 't', tags: [{ key: 'k', value: 'x'.repeat(20_000) }], datapoints: encodeDatapoints([]) }
  const { lists } = decodeContainerFile(encodeContainerFile([list, { ...list, topic: 'u' }, list]))
  expect(lists.map(({ topic, tags }) => [topic, tags])).toEqual(['t', 'u', 't'].map((topic) => [topic, list.tags]))
})
