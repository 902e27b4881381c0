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
  // Some in the same second, some in others, some that are no usual times.
  const time = fc.oneof(
    fc.integer({ min: 1_469_124_000_000, max: 1_469_124_002_000 }),
    fc.constantFrom(0, -1500, 7, 999, 1000, 1001, 2 ** 53, 1e21),
  )
  const text = fc.oneof(
    // What is nearest to the bytes of a NaN.
    fc.string({ unit: fc.constantFrom('\u007f', '\u{1f600}', '\u{10ffff}', 'a'), maxLength: 40 }),
    fc.string({ maxLength: 200 }),
    fc.string({ unit: 'grapheme', maxLength: 30 }),
  )
  const piece = fc.oneof(
    fc.record({ kind: fc.constant('part' as const), text }),
    fc.record({ kind: fc.constant('text' as const), text }),
    fc.record({ kind: fc.constant('time' as const), time }),
    fc.record({ kind: fc.constant('seconds' as const), time }),
    fc.record({ kind: fc.constant('digits' as const), value: fc.nat(999_999) }),
  )
  fc.assert(
    fc.property(fc.array(piece), fc.integer({ min: 0, max: 300 }), (pieces, capacityBytes) => {
      const all = written((lines) => {
        for (const each of pieces) {
          if (each.kind === 'part') lines.addPart(new LinePart(each.text))
          else if (each.kind === 'text') lines.addText(each.text)
          else if (each.kind === 'time') lines.addTime(each.time)
          else if (each.kind === 'seconds') lines.addSeconds(each.time)
          else lines.addDigits(each.value, 6)
        }
      }, capacityBytes)
      const expected = pieces.map(expectedText).join('')
      expect(all).toBe(Buffer.from(expected).toString())
    }),
    { seed, numRuns: 2000 },
  )
})

type Piece =
  | { kind: 'part'; text: string }
  | { kind: 'text'; text: string }
  | { kind: 'time'; time: number }
  | { kind: 'seconds'; time: number }
  | { kind: 'digits'; value: number }

function expectedText(piece: Piece): string {
  if ('text' in piece) return piece.text
  return 'value' in piece ? String(piece.value).padStart(6, '0') : String(piece.time)
}

test.each([
  ['few bytes', 10],
  ['more than are kept', 5 * 1024 * 1024],
])('a buffer that was cleared begins anew, after %s', (_what, bytes) => {
  const lines = new LineBuffer(8)
  lines.addTime(1_469_124_000_123)
  lines.addText('x'.repeat(bytes))
  lines.clear()
  expect(lines.length).toBe(0)
  lines.addTime(1_469_124_000_456)
  lines.addText('y')
  expect(lines.finish().toString()).toBe('1469124000456y')
})
