import fc from 'fast-check'
import { type BroughtIn, type Scratch, sharedScratch } from '../../src/codec/scratch.js'
import { scratchWasm } from '../../src/codec/scratch-wasm.js'
import { DatapointsView } from '../../src/model/datapoints-view.js'

const { compileWat } = (await import(new URL('../support/make-wasm.js', import.meta.url).href)) as {
  compileWat(name: string): Promise<string>
}

const seed = 20_261_201
const scratch = sharedScratch() as Scratch

beforeEach(() => scratch.clear())

/** @param before how many other bytes lie in front of it in its page */
function headOf(bytes: Uint8Array, before = 0): BroughtIn {
  const page = new Uint8Array(before + bytes.length)
  page.set(bytes, before)
  return { page: new DataView(page.buffer), start: before, length: bytes.length, keptAt: 0, keptAge: 0 }
}

function bringIn(bytes: Uint8Array): number {
  return scratch.bringIn({ count: 1, bytes })
}

test('the module is what its source says (else: npm run wasm)', async () => {
  expect(await compileWat('scratch')).toBe(scratchWasm)
})

test(`tells a head from what differs in any byte, at any position (seed ${seed})`, () => {
  const anyBytes = fc.uint8Array({ minLength: 16, maxLength: 300 })
  fc.assert(
    fc.property(anyBytes, fc.nat(20), fc.nat(20), fc.nat(), (bytes, before, behind, at) => {
      scratch.clear()
      bringIn(Buffer.alloc(before))
      const head = headOf(bytes, behind)
      const position = bringIn(Buffer.concat([bytes, Buffer.alloc(behind, at)]))
      expect(scratch.isAt(head, position)).toBe(true)
      const changed = Uint8Array.from(bytes)
      changed[at % bytes.length]! ^= 1 << (at % 8)
      expect(scratch.isAt(head, bringIn(changed))).toBe(false)
      // And the one that was brought in before is still known.
      expect(scratch.isAt(head, position)).toBe(true)
    }),
    { seed, numRuns: 300 },
  )
})

test.each([0, 1, 15])('cannot tell of a head of %d bytes', (length) => {
  const bytes = Buffer.alloc(length, 1)
  expect(scratch.isAt(headOf(bytes), bringIn(bytes))).toBeUndefined()
})

test('where there are more heads than room it cannot tell of all, until some of them have waited for long', () => {
  const large = Buffer.alloc(100_000, 7)
  const position = bringIn(large)
  const heads = Array.from({ length: 20 }, () => headOf(large))
  const told = heads.map((head) => scratch.isAt(head, position))
  const known = told.filter((each) => each === true).length
  expect(known).toBeGreaterThan(3)
  expect(told.slice(known)).toEqual(Array(20 - known).fill(undefined))
  const late = heads.at(-1) as BroughtIn
  let misses = 0
  while (scratch.isAt(late, position) === undefined) misses++
  expect(misses).toBeGreaterThan(90_000)
  // The first one is brought in anew; what it has been found at before belongs to another.
  expect(scratch.isAt(late, position)).toBe(true)
  expect(scratch.isAt(heads[0]!, position)).toBe(true)
  const other = bringIn(Buffer.alloc(100_000, 8))
  expect(heads.map((head) => scratch.isAt(head, other) ?? false)).toEqual(Array(20).fill(false))
})

test(`pieces of any length come to lie behind the one before of the same owner (seed ${seed})`, () => {
  const anyPiece = fc.tuple(fc.nat(4), fc.uint8Array({ maxLength: 70 }), fc.nat(3))
  fc.assert(
    fc.property(fc.array(anyPiece, { maxLength: 60 }), (all) => {
      scratch.clear()
      const ofOwner = Array.from({ length: 5 }, () => Buffer.alloc(0))
      for (const [owner, bytes, gap] of all) {
        bringIn(Buffer.alloc(gap))
        scratch.note(owner, bringIn(bytes), bytes.length)
        ofOwner[owner] = Buffer.concat([ofOwner[owner]!, bytes])
      }
      const starts = ofOwner.map((_, owner) => Buffer.concat(ofOwner.slice(0, owner)).length)
      const whole = Buffer.concat(ofOwner)
      expect(Buffer.compare(scratch.place(starts, whole.length), whole)).toBe(0)
    }),
    { seed, numRuns: 300 },
  )
})

test('what was placed or copied stays when the scratch is used again', () => {
  scratch.note(0, bringIn(Buffer.from('some datapoints, or so')), 15)
  const placed = scratch.place([0], 15)
  const copy = scratch.copyOf(bringIn(Buffer.from('other')), 5)
  scratch.clear()
  bringIn(Buffer.alloc(1000))
  expect([placed, copy].map(String)).toEqual(['some datapoints', 'other'])
})

test('views are brought in from where they lie', () => {
  const around = Uint8Array.from(Buffer.from('..abc..')).buffer
  const position = scratch.bringIn(new DatapointsView(1, around, 2, 3))
  expect(String(scratch.copyOf(position, 3))).toBe('abc')
})

test.each([
  ['bytes', 0, 512 * 1024],
  ['pieces', 16 * 1024, 0],
])('has room for so many %s, and not for one more', (_what, pieces, bytes) => {
  expect(scratch.hasRoomFor(pieces, bytes)).toBe(true)
  expect(scratch.hasRoomFor(pieces + (bytes === 0 ? 1 : 0), bytes + (bytes === 0 ? 0 : 1))).toBe(false)
  if (bytes > 0) bringIn(Buffer.alloc(1))
  else scratch.note(0, bringIn(Buffer.alloc(0)), 0)
  expect(scratch.hasRoomFor(pieces, bytes)).toBe(false)
})

test('a scratch that is full to its last byte and piece', () => {
  const whole = Buffer.from(Array.from({ length: 512 * 1024 }, (_, at) => (at * 7919) >> 5))
  const start = bringIn(whole)
  const length = whole.length / (16 * 1024)
  for (let at = 0; at < 16 * 1024; at++) scratch.note(at, start + at * length, length)
  const backwards = Array.from({ length: 16 * 1024 }, (_, at) => whole.length - (at + 1) * length)
  const expected = Buffer.concat(backwards.map((from) => whole.subarray(from, from + length)))
  expect(Buffer.compare(scratch.place(backwards, whole.length), expected)).toBe(0)
})
