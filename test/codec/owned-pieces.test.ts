import { OwnedPieces } from '../../src/codec/owned-pieces.js'
import { DatapointsView } from '../../src/model/datapoints-view.js'

type Piece = readonly [owner: number, text: string]

function add(pieces: OwnedPieces, all: readonly Piece[]): void {
  for (const [owner, text] of all) pieces.add(owner, { count: 1, bytes: new Uint8Array(Buffer.from(text)) })
}

/** Pieces of letters, each placed at its owner's position. */
function place(pieces: OwnedPieces, ends: number[], length: number): string {
  const target = Buffer.alloc(length, '.')
  pieces.place(target, ends)
  return target.toString()
}

test.each<[string, Piece[], number[], string]>([
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
])('%s', (_rule, all, ends, placed) => {
  const pieces = new OwnedPieces()
  add(pieces, all)
  expect(pieces.byteLength).toBe(all.reduce((sum, [, text]) => sum + text.length, 0))
  expect(place(pieces, ends, placed.length)).toBe(placed)
})

test('datapoints that lie among others', () => {
  const around = new Uint8Array(Buffer.from('..abc..xyz..')).buffer
  const pieces = new OwnedPieces()
  pieces.add(0, new DatapointsView(1, around, 7, 3))
  pieces.add(1, new DatapointsView(1, around, 2, 3))
  expect(place(pieces, [3, 0], 6)).toBe('abcxyz')
})

test('tells behind the last piece of each owner', () => {
  const ends = [0, 4]
  const pieces = new OwnedPieces()
  add(pieces, [
    [0, 'a'],
    [1, 'X'],
    [0, 'b'],
  ])
  place(pieces, ends, 8)
  expect(ends).toEqual([2, 5])
})

test('takes any number of pieces, and begins anew when it was released', () => {
  const pieces = new OwnedPieces()
  const all = Array.from({ length: 20_000 }, (_, at): Piece => [at % 3, String(at % 10)])
  const of = (owner: number) => all.flatMap((piece) => (piece[0] === owner ? [piece[1]] : [])).join('')
  const [a, b, c] = [of(0), of(1), of(2)]
  for (let round = 0; round < 2; round++) {
    add(pieces, all)
    expect(place(pieces, [0, a.length, a.length + b.length], 20_000)).toBe(a + b + c)
    pieces.release()
  }
  expect([pieces.byteLength, place(pieces, [], 2)]).toEqual([0, '..'])
})

test('gives its memory to others when it is released', () => {
  const pieces = new OwnedPieces()
  add(pieces, [[0, 'abc']])
  pieces.release()
  const next = new OwnedPieces()
  add(next, [[0, 'xyz']])
  expect([place(pieces, [], 3), place(next, [0], 3)]).toEqual(['...', 'xyz'])
})
