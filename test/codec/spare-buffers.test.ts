import { SpareBuffers } from '../../src/codec/spare-buffers.js'

test.each([
  [1, 4096],
  [4096, 4096],
  [4097, 16_384],
  [70_000, 262_144],
  [5_000_000, 16_777_216],
])('%i bytes are taken in a buffer of %i, that nothing else shares', (bytes, size) => {
  const buffer = new SpareBuffers().take(bytes)
  expect([buffer.length, buffer.byteOffset, buffer.buffer.byteLength]).toEqual([size, 0, size])
})

test('what was given back is taken again, by who asks for about as much', () => {
  const spare = new SpareBuffers()
  const [small, large] = [spare.take(5000), spare.take(100_000)]
  spare.give(small)
  spare.give(large)
  expect(spare.take(90_000)).toBe(large)
  expect(spare.take(90_000)).not.toBe(large)
  expect(spare.take(16_384)).toBe(small)
})

test('beyond 32 MiB, what was not asked for longest is forgotten', () => {
  const spare = new SpareBuffers()
  const mib = 1024 * 1024
  const old = spare.take(16 * mib)
  const many = Array.from({ length: 20 }, () => spare.take(mib))
  spare.give(old)
  for (const buffer of many) spare.give(buffer)
  const again = Array.from({ length: 21 }, () => spare.take(mib))
  expect(again.filter((buffer) => many.includes(buffer))).toHaveLength(20)
  expect(spare.take(16 * mib)).not.toBe(old)
})
