import fc from 'fast-check'
import { ByteCopier } from '../../src/codec/byte-copier.js'

const seed = 20_261_124

test(`copies what it is told to, and nothing else (seed ${seed})`, () => {
  const anyCopy = fc.record({
    source: fc.nat(1),
    start: fc.nat(40),
    length: fc.oneof(fc.nat(40), fc.integer({ min: 90, max: 100 })),
    pos: fc.nat(20),
  })
  fc.assert(
    fc.property(fc.array(anyCopy, { minLength: 1, maxLength: 6 }), (copies) => {
      const sources = [1, 101].map((first) => Uint8Array.from({ length: 150 }, (_, at) => first + at))
      const around = new Uint8Array(200)
      const target = around.subarray(30, 170)
      const copier = new ByteCopier(target)
      const expected = new Uint8Array(200)
      for (const { source, start, length, pos } of copies) {
        const from = sources[source]!
        copier.copy(from.buffer, start, length, pos)
        expected.set(from.subarray(start, start + length), 30 + pos)
      }
      expect(Buffer.from(around).equals(expected)).toBe(true)
    }),
    { seed, numRuns: 1000 },
  )
})
