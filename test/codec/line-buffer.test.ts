import fc from 'fast-check'
import { LineBuffer, LinePart } from '../../src/codec/line-buffer.js'

const seed = 2003

function written(write: (lines: LineBuffer) => void, capacityBytes?: number): string {
  const lines = new LineBuffer(capacityBytes)
  write(lines)
  return lines.finish().toString()
}

test(`numbers are written as String() writes them (seed ${seed})`, () => {
  const number = fc.oneof(
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }),
    fc.constantFrom(
      0,
      -0,
      9,
      10,
      -10,
      99,
      100,
      2 ** 31 - 1,
      -(2 ** 31),
      2 ** 31,
      1e9,
      1e9 - 1,
      1e9 + 1,
      5e18,
      2 ** 53,
      1e21,
      0.1,
      -1.5e-7,
    ),
  )
  fc.assert(
    fc.property(number, (value) => {
      expect(written((lines) => lines.addNumber(value))).toBe(String(value))
    }),
    { seed, numRuns: 5000 },
  )
})

test(`parts, texts and numbers stand behind each other as they were added, however small the first buffer was (seed ${seed})`, () => {
  const text = fc.oneof(fc.string({ maxLength: 200 }), fc.string({ unit: 'grapheme', maxLength: 30 }))
  const piece = fc.oneof(
    fc.record({ kind: fc.constant('part' as const), text }),
    fc.record({ kind: fc.constant('text' as const), text }),
    fc.record({ kind: fc.constant('time' as const), time: fc.constantFrom(0, -1500, 1_469_124_000_123) }),
  )
  fc.assert(
    fc.property(fc.array(piece), fc.integer({ min: 0, max: 300 }), (pieces, capacityBytes) => {
      const all = written((lines) => {
        for (const each of pieces) {
          if (each.kind === 'part') lines.addPart(new LinePart(each.text))
          else if (each.kind === 'text') lines.addText(each.text)
          else lines.addNumber(each.time)
        }
      }, capacityBytes)
      const expected = pieces.map((each) => (each.kind === 'time' ? String(each.time) : each.text)).join('')
      expect(all).toBe(Buffer.from(expected).toString())
    }),
    { seed, numRuns: 2000 },
  )
})
