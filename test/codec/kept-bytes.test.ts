import { KeptRoom } from '../../src/codec/kept-bytes.js'

const unkept = () => ({ keptAt: 0, keptAge: 0 })

test('bytes get places one behind the other, until there is no room', () => {
  const room = new KeptRoom(1000, 100, 3)
  const kept = [60, 40, 1].map((length) => {
    const each = unkept()
    return { ...each, is: room.keep(each, length), ...each }
  })
  expect(kept).toEqual([
    { is: true, keptAt: 1000, keptAge: 1 },
    { is: true, keptAt: 1060, keptAge: 1 },
    { is: false, keptAt: 0, keptAge: 0 },
  ])
})

test('after so many tries without room it is emptied, and older', () => {
  const room = new KeptRoom(1000, 100, 3)
  room.keep(unkept(), 90)
  expect([room.keep(unkept(), 50), room.miss(), room.age]).toEqual([false, false, 1])
  const late = unkept()
  expect(room.keep(late, 50)).toBe(true)
  expect(late).toEqual({ keptAt: 1000, keptAge: 2 })
})

test('what is larger than all of it is never kept', () => {
  const room = new KeptRoom(0, 100, 2)
  for (let step = 0; step < 10; step++) expect(room.keep(unkept(), 101)).toBe(false)
  expect(room.keep(unkept(), 100)).toBe(true)
})
