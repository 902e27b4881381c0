import { createLagBook } from '../../src/bus/kafka-lag.js'

const partition = (number: number) => ({ topic: 't', partition: number })

test('a partition is shown once its position is known', () => {
  const book = createLagBook()
  book.assign([partition(0), partition(1)])
  expect(book.read()).toEqual([])
  book.committed('t', 0, 10n, 0)
  book.seen('t', 0, 25n)
  book.seen('t', 1, 99n)
  expect(book.read()).toEqual([{ topic: 't', partition: 0, messages: 15 }])
})

test('what has been handled is no lag, also where the last look is older than that', () => {
  const book = createLagBook()
  book.assign([partition(0)])
  book.committed('t', 0, 10n, 0)
  book.seen('t', 0, 25n)
  book.committed('t', 0, 30n, 0)
  expect(book.read()).toEqual([{ topic: 't', partition: 0, messages: 0 }])
})

test('partitions that went to another member are forgotten, the others keep their positions', () => {
  const book = createLagBook()
  book.assign([partition(0), partition(1)])
  book.committed('t', 0, 1n, 0)
  book.committed('t', 1, 1n, 0)
  book.assign([partition(1)])
  book.committed('t', 0, 2n, 0)
  expect(book.read()).toEqual([{ topic: 't', partition: 1, messages: 0 }])
})

test('unmoved: only where messages wait and nothing was handled since', () => {
  const book = createLagBook()
  book.assign([partition(0), partition(1), partition(2)])
  for (const number of [0, 1, 2]) book.committed('t', number, 0n, 1_000)
  book.seen('t', 0, 5n)
  book.seen('t', 2, 5n)
  book.committed('t', 2, 1n, 3_000)
  expect(book.unmoved(2_000)).toEqual([{ topic: 't', partition: 0, messages: 5 }])
  expect(book.unmoved(1_000)).toEqual([])
})
