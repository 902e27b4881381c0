import avro from 'avsc'
import fc from 'fast-check'
import { AvroCursor } from '../../src/codec/avro-cursor.js'
import { longSize, writeLong } from '../../src/codec/varint.js'

const seed = 20_260_102
const longType = avro.Type.forSchema('long')

function encode(n: number): Buffer {
  const bytes = Buffer.alloc(longSize(n))
  expect(writeLong(bytes, 0, n)).toBe(bytes.length)
  return bytes
}

test.each([
  [0, '00'],
  [-1, '01'],
  [1, '02'],
  [-64, '7f'],
  [64, '8001'],
  [-65, '8101'],
  [8191, 'fe7f'],
  [2 ** 30 - 1, 'feffffff07'],
  [2 ** 30, '8080808008'],
  [-(2 ** 30) - 1, '8180808008'],
  [2 ** 31, '8080808010'],
  [1_700_000_000_000, '80a0abfef962'],
  [-(2 ** 52) - 1, '8180808080808010'],
  [Number.MAX_SAFE_INTEGER, 'feffffffffffff1f'],
  [Number.MIN_SAFE_INTEGER, 'fdffffffffffff1f'],
])('%d is written as %s', (n, hex) => {
  expect(encode(n).toString('hex')).toBe(hex)
  expect(new AvroCursor(encode(n)).readLong()).toBe(n)
})

test(`every safe integer comes back, and avsc writes it the same (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.integer({ min: -20_000, max: 20_000 })), (n) => {
      const bytes = encode(n)
      const cursor = new AvroCursor(bytes)
      expect(cursor.readLong()).toBe(n)
      expect(cursor.pos).toBe(bytes.length)
      if (Math.abs(n) < 2 ** 52) expect(bytes).toEqual(longType.toBuffer(n))
    }),
    { seed, numRuns: 2000 },
  )
})
