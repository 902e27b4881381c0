import { parseReply, prune, type Shape } from '../../src/agent/parse-reply.js'

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text))
}

const shape: Shape = { fields: { a: 'all', list: { each: { fields: { b: 'all' } } } } }

test.each<[string, unknown, Shape, unknown]>([
  ['keeps what is wanted', { a: { x: 1 }, z: 2 }, shape, { a: { x: 1 } }],
  ['of each item', { list: [{ b: 1, c: 2 }, { c: 3 }, null, 4] }, shape, { list: [{ b: 1 }, {}, null, 4] }],
  ['an object in place of a list is an empty object', { list: { b: 1 } }, shape, { list: {} }],
  ['a list in place of an object is an empty list', [1], shape, []],
  ['plain values are what they are', 'text', shape, 'text'],
  ['null is null', { list: null }, shape, { list: null }],
  [
    'only the items that have one of the values',
    [{ key: 'x' }, { key: 'y', value: 1 }, null, 3, { key: 'z' }],
    { each: 'all', having: { field: 'key', oneOf: ['y', 'z'] } },
    [{ key: 'y', value: 1 }, { key: 'z' }],
  ],
])('prune: %s', (_rule, value, wanted, expected) => {
  expect(prune(value, wanted)).toEqual(expected)
})

// The same rules for both ways: inline, and in a thread that knows nothing but its source text.
describe.each([
  ['inline', Number.POSITIVE_INFINITY],
  ['in a thread', 0],
])('parseReply %s', (_way, inlineBytes) => {
  test('parses and prunes', async () => {
    const bytes = bytesOf('{"a": "grün 😀", "list": [{"b": 1.5, "c": 2}], "z": {}}')
    expect(await parseReply(bytes, shape, { inlineBytes })).toEqual({ a: 'grün 😀', list: [{ b: 1.5 }] })
  })

  test.each([
    ['text', '<html>503</html>'],
    ['nothing', ''],
    ['a reply that was cut off', '{"a": [1, 2'],
  ])('refuses %s', async (_what, text) => {
    await expect(parseReply(bytesOf(text), shape, { inlineBytes })).rejects.toMatchObject({
      code: 'DS_AGENT_REPLY',
      message: expect.stringContaining('JSON'),
    })
  })

  test('reads a part of a bigger buffer', async () => {
    const whole = bytesOf('xx{"a":1}yy')
    expect(await parseReply(whole.subarray(2, 9), shape, { inlineBytes })).toEqual({ a: 1 })
  })
})

test('a list comes back from a thread whole and in order, in however many pieces', async () => {
  const list = Array.from({ length: 50_000 }, (_, index) => ({ index, text: 'x'.repeat(50) }))
  const shape: Shape = { each: { fields: { index: 'all' } } }
  const parsed = await parseReply(bytesOf(JSON.stringify(list)), shape, { inlineBytes: 0 })
  expect(parsed).toEqual(list.map(({ index }) => ({ index })))
  expect(await parseReply(bytesOf('[]'), shape, { inlineBytes: 0 })).toEqual([])
  expect(await parseReply(bytesOf('[[1], [2]]'), 'all', { inlineBytes: 0 })).toEqual([[1], [2]])
})

test('a thread is given up when the program ends', async () => {
  const end = new AbortController()
  const parsing = parseReply(bytesOf(`[${'{},'.repeat(5_000_000)}{}]`), 'all', { signal: end.signal })
  end.abort()
  await expect(parsing).rejects.toMatchObject({ code: 'DS_AGENT_REPLY' })
})
