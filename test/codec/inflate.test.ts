import { deflateRawSync, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { inflateRaw, newRoom } from '../../src/codec/inflate.js'

const seed = 20_261_123
const limitBytes = 300_000

/** Short and long, repetitive or not; about the size of the kept stream's buffer too. */
const anyPlain = fc
  .tuple(
    fc.oneof(fc.nat(5_000), fc.integer({ min: 65_530, max: 65_542 }), fc.nat(250_000)),
    fc.uint8Array({ minLength: 1 }),
  )
  .map(([length, pattern]) => Buffer.alloc(length, pattern))

/** Whole, cut, with something behind it, or with a changed byte. */
const anyPacked = fc
  .tuple(anyPlain, fc.constantFrom('whole', 'cut', 'longer', 'changed'), fc.nat())
  .map(([plain, how, at]) => {
    const packed = deflateRawSync(plain)
    if (how === 'cut') return packed.subarray(0, at % packed.length)
    if (how === 'longer') return Buffer.concat([packed, Buffer.alloc((at % 10) + 1, at)])
    if (how === 'changed') packed[at % packed.length]! ^= 1 << (at % 8)
    return packed
  })

test(`gives what inflateRawSync gives, or fails as it does (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.array(anyPacked, { minLength: 1, maxLength: 5 }), fc.nat(100_000), (all, expectedBytes) => {
      expect(all.map((packed) => outcome(() => inflateRaw(packed, limitBytes, expectedBytes)))).toEqual(
        all.map((packed) => outcome(() => inflateRawSync(packed, { maxOutputLength: limitBytes }))),
      )
    }),
    { seed, numRuns: 150 },
  )
})

test('results stay as they are when more is inflated', () => {
  const plain = [10, 65_536, 100_000, 20].map((length, at) => Buffer.alloc(length, at + 1))
  const inflated = plain.map((bytes) => inflateRaw(deflateRawSync(bytes), limitBytes))
  expect(inflated.map((bytes, at) => Buffer.compare(bytes, plain[at]!))).toEqual([0, 0, 0, 0])
})

test('results of one room lie one behind the other, and in new memory once they do not fit', () => {
  const room = newRoom()
  const plain = [100, 200, 0, 5_000, 50_000, 3_000, 10_000].map((length, at) => Buffer.alloc(length, at + 1))
  const wantedBytes = 64 * 1024
  const inflated = plain.map((bytes) => inflateRaw(deflateRawSync(bytes), limitBytes, bytes.length, room, wantedBytes))
  expect(inflated.map((bytes, at) => Buffer.compare(bytes, plain[at]!))).toEqual(plain.map(() => 0))
  expect(inflated[1]!.buffer).toBe(inflated[0]!.buffer)
  expect(inflated[1]!.byteOffset).toBe(inflated[0]!.byteOffset + 100)
  expect(inflated[6]!.buffer).not.toBe(inflated[0]!.buffer)
})

test(`guesses that are wrong cost no byte (seed ${seed})`, () => {
  const anyGuess = fc.oneof(fc.nat(300), fc.nat(100_000))
  fc.assert(
    fc.property(fc.array(fc.tuple(anyPlain, anyGuess, anyGuess), { minLength: 1, maxLength: 8 }), (all) => {
      const room = newRoom()
      const inflated = all.map(([plain, expected, wanted]) =>
        inflateRaw(deflateRawSync(plain), limitBytes, expected, room, wanted),
      )
      expect(inflated.map((bytes, at) => Buffer.compare(bytes, all[at]![0]))).toEqual(all.map(() => 0))
    }),
    { seed, numRuns: 100 },
  )
})

test('what inflates beyond the limit is refused, and the next is read as if nothing had been', () => {
  const bomb = deflateRawSync(Buffer.alloc(50_000_000))
  const good = deflateRawSync(Buffer.from('good'))
  for (const expectedBytes of [0, 1_000_000]) {
    expect(outcome(() => inflateRaw(bomb, limitBytes, expectedBytes))).toMatchObject({ code: 'ERR_BUFFER_TOO_LARGE' })
    expect(inflateRaw(good, limitBytes).toString()).toBe('good')
  }
  // A limit of another reader's.
  expect(inflateRaw(bomb, 50_000_000).length).toBe(50_000_000)
})

function outcome(inflate: () => Buffer): unknown {
  try {
    return inflate().toString('latin1')
  } catch (error) {
    const { code, message } = error as { code: string; message: string }
    return { code, message }
  }
}
