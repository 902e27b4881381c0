import { createUnconfirmedTail } from '../../src/outputs/unconfirmed-tail.js'

function tailOf(limits: { limitBytes?: number; keepMs?: number; pageBytes?: number }) {
  let nowMs = 0
  const tail = createUnconfirmedTail({ nowMs: () => nowMs, ...limits })
  const texts = () => tail.chunks().map((chunk) => Buffer.from(chunk).toString())
  const add = (text: string) => tail.add(Buffer.from(text))
  const pass = (ms: number) => {
    nowMs += ms
  }
  return { tail, texts, add, pass }
}

test('keeps what was written, oldest first', () => {
  const { texts, add } = tailOf({})
  add('a')
  add('b')
  expect(texts()).toEqual(['a', 'b'])
})

test('forgets a chunk when enough bytes were written behind it', () => {
  const { texts, add } = tailOf({ limitBytes: 4 })
  add('aaa')
  add('bb')
  expect(texts()).toEqual(['aaa', 'bb'])
  add('cc')
  expect(texts()).toEqual(['bb', 'cc'])
  add('dddddddd')
  expect(texts()).toEqual(['dddddddd'])
})

test('forgets a chunk when it is old enough', () => {
  const { texts, add, pass } = tailOf({ keepMs: 1000 })
  add('a')
  pass(600)
  add('b')
  pass(600)
  expect(texts()).toEqual(['b'])
  pass(600)
  expect(texts()).toEqual([])
})

test('forgets everything when told that it was read', () => {
  const { tail, texts, add } = tailOf({})
  add('a')
  tail.clear()
  expect(texts()).toEqual([])
})

test('keeps copies, in memory that is used again', () => {
  // Chunks begin and end anywhere in pages of four bytes.
  const { tail, texts } = tailOf({ limitBytes: 10, pageBytes: 4 })
  const bytes = Buffer.alloc(7)
  const joined: string[] = []
  for (let round = 0; round < 200; round++) {
    const text = String.fromCharCode(97 + (round % 26)).repeat(1 + (round % 7))
    bytes.write(text)
    tail.add(bytes.subarray(0, text.length))
    joined.push(text)
    while (joined.slice(1).join('').length >= 10) joined.shift()
    expect(texts().join('')).toBe(joined.join(''))
  }
  tail.clear()
  tail.add(Buffer.from('next'))
  expect(texts().join('')).toBe('next')
})
