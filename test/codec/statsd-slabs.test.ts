import { Slabs } from '../../src/codec/statsd-slabs.js'
import { seededRandom } from '../../src/platform/random.js'

/** Cuts a piece and fills it, so that somebody who writes over it is found out. */
function filled(slabs: Slabs, length: number, mark: number): Uint8Array {
  const { bytes, offset } = slabs.cut(length, 1)
  const piece = new Uint8Array(bytes.buffer, bytes.byteOffset + offset, length)
  return piece.fill(mark)
}

test('memory that came back whole is cut again', () => {
  const slabs = new Slabs()
  const first = Array.from({ length: 64 }, () => filled(slabs, 1024, 1))
  filled(slabs, 1024, 2)
  for (const piece of first) slabs.release(piece.buffer)
  const third = Array.from({ length: 64 }, () => filled(slabs, 1024, 3))
  expect(third.filter(({ buffer }) => buffer === first[0]!.buffer).length).toBeGreaterThan(0)
})

test('as long as one piece of a slab is out, none of it is cut again', () => {
  const slabs = new Slabs()
  const [kept, ...others] = Array.from({ length: 64 }, () => filled(slabs, 1024, 1))
  for (const piece of others) slabs.release(piece.buffer)
  for (let step = 0; step < 1000; step++) slabs.release(filled(slabs, 1024, 2).buffer)
  expect(new Set(kept)).toEqual(new Set([1]))
})

test('a piece larger than a slab gets memory of its own, and coming back it changes nothing', () => {
  const slabs = new Slabs()
  const large = filled(slabs, 200_000, 1)
  const small = filled(slabs, 10, 2)
  slabs.release(large.buffer)
  filled(slabs, 200_000, 3)
  expect(new Set(small)).toEqual(new Set([2]))
})

test('a cut that comes back in pieces is free when all of them are back', () => {
  const slabs = new Slabs()
  const fill = (pieces: number) => {
    const { bytes, offset } = slabs.cut(60_000, pieces)
    return new Uint8Array(bytes.buffer, bytes.byteOffset + offset, 60_000).fill(pieces)
  }
  const first = fill(3)
  for (let back = 0; back < 2; back++) slabs.release(first.buffer)
  for (let step = 0; step < 100; step++) slabs.release(fill(1).buffer)
  expect(new Set(first)).toEqual(new Set([3]))
  slabs.release(first.buffer)
  expect(Array.from({ length: 100 }, () => fill(2).buffer)).toContain(first.buffer)
})

test('memory of others is none of its business', () => {
  const slabs = new Slabs()
  const piece = filled(slabs, 10, 1)
  slabs.release(new ArrayBuffer(10))
  filled(slabs, 10, 2)
  expect(new Set(piece)).toEqual(new Set([1]))
})

test('whatever comes back in whatever order, what is out stays as it was (seed 20261123)', () => {
  const random = seededRandom(20261123)
  const slabs = new Slabs()
  const out: { piece: Uint8Array; mark: number }[] = []
  for (let step = 0; step < 20_000; step++) {
    if (out.length < 400 && random() < 0.55) {
      const mark = step % 251
      out.push({ piece: filled(slabs, 1 + Math.floor(random() * 6000), mark), mark })
    } else if (out.length > 0) {
      const [{ piece, mark }] = out.splice(Math.floor(random() * out.length), 1) as [(typeof out)[0]]
      expect([piece[0], piece.at(-1)]).toEqual([mark, mark])
      slabs.release(piece.buffer)
    }
  }
  for (const { piece, mark } of out) expect(new Set(piece)).toEqual(new Set([mark]))
})
