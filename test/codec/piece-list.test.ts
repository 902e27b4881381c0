import { ByteCopier } from '../../src/codec/byte-copier.js'
import { PieceList } from '../../src/codec/piece-list.js'

/** Pieces of letters, each of one owner, placed at the owner's position. */
function place(pieces: readonly (readonly [owner: number, text: string])[], ends: number[], length: number): string {
  const list = new PieceList()
  for (const [owner, text] of pieces) list.add(owner, text.length)
  const source = new Uint8Array(Buffer.from(pieces.map(([, text]) => text).join('')))
  const target = Buffer.alloc(length, '.')
  list.place(source.buffer, new ByteCopier(target), ends)
  list.release()
  return target.toString()
}

test.each<[string, [number, string][], number[], string]>([
  ['nothing', [], [0], '....'],
  ['one owner', [[0, 'abc']], [1], '.abc'],
  [
    'neighbours of one owner',
    [
      [0, 'a'],
      [0, 'bc'],
    ],
    [1],
    '.abc',
  ],
  [
    'two in turn',
    [
      [0, 'a'],
      [1, 'X'],
      [0, 'bc'],
      [1, 'YZ'],
    ],
    [0, 4],
    'abc.XYZ',
  ],
  [
    'an empty piece',
    [
      [0, 'a'],
      [1, ''],
      [0, 'b'],
    ],
    [2, 0],
    '..ab',
  ],
])('%s', (_rule, pieces, ends, placed) => {
  expect(place(pieces, ends, placed.length)).toBe(placed)
})

test('tells behind the last piece of each owner', () => {
  const ends = [0, 4]
  place(
    [
      [0, 'a'],
      [1, 'X'],
      [0, 'b'],
    ],
    ends,
    8,
  )
  expect(ends).toEqual([2, 5])
})

test('takes any number of pieces', () => {
  const pieces = Array.from({ length: 20_000 }, (_, at): [number, string] => [at % 3, String(at % 10)])
  const of = (owner: number) =>
    pieces
      .filter((piece) => piece[0] === owner)
      .map((piece) => piece[1])
      .join('')
  const [a, b, c] = [of(0), of(1), of(2)]
  expect(place(pieces, [0, a.length, a.length + b.length], 20_000)).toBe(a + b + c)
})
