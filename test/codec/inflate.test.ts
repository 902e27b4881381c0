import { deflateRawSync, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { inflateRaw } from '../../src/codec/inflate.js'

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
