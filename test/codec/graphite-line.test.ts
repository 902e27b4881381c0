import { encodeDatapoints } from '../../src/codec/datapoints.js'
import { createGraphiteLines, createGraphiteNames } from '../../src/codec/graphite-line.js'
import type { Tag } from '../../src/model/metric-list.js'
import { linesOf } from '../support/lines.js'

const at = 1_469_124_000_999
const plainPaths = createGraphiteLines(createGraphiteNames({ prefix: '', prefixIds: true, tags: false }))

interface Case {
  name?: string
  prefix?: string
  prefixIds?: boolean
  asTags?: boolean
  tags?: Record<string, string> | Tag[]
}

function path({ name = 'n', prefix = '', prefixIds = true, asTags = false, tags = {} }: Case): string {
  const list = {
    topic: 't',
    tags: Array.isArray(tags) ? tags : Object.entries(tags).map(([key, value]) => ({ key, value })),
    datapoints: encodeDatapoints([{ name, timeMs: at, value: 1 }]),
  }
  const { text } = linesOf(createGraphiteLines(createGraphiteNames({ prefix, prefixIds, tags: asTags })), list)
  return text.replace(/ 1 1469124000\n$/, '')
}

const ids = { framework_id: 'f-1', executor_id: 'app.uuid', container_id: 'c' }

test.each<[string, Case, string]>([
  ['a name alone', { name: 'cpu.load' }, 'cpu.load'],
  ['prefix, then the ids in their order, then the name', { prefix: 'dcos', tags: ids }, 'dcos.f-1.app.uuid.c.n'],
  ['ids in their order, however the tags are sorted', { tags: { container_id: 'c', framework_id: 'f' } }, 'f.c.n'],
  ['without ids', { prefix: 'dcos', prefixIds: false, tags: ids }, 'dcos.n'],
  [
    'of repeated ids the last',
    {
      tags: [
        { key: 'framework_id', value: 'a' },
        { key: 'framework_id', value: 'b' },
      ],
    },
    'b.n',
  ],
  ['an empty id has no part', { tags: { framework_id: 'f', executor_id: '' } }, 'f.n'],
  ['characters outside A-Za-z0-9_:.- become _', { name: 'a b/c;d=é🚀:x-y_z' }, 'a_b_c_d___:x-y_z'],
  ['characters of ids too', { tags: { framework_id: 'a b', executor_id: 'x/y' } }, 'a_b.x_y.n'],
  ['a line break cannot begin a line', { name: 'a 1 2\nb 3 4\n' }, 'a_1_2_b_3_4_'],
  ['empty parts are left out', { name: '..a...b.', prefix: '.p.' }, 'p.a.b'],
  ['a name without letters has a part', { name: '...' }, '_'],
  ['no name', { name: '', prefix: 'p' }, 'p._'],
])('path: %s', (_rule, example, expected) => {
  expect(path(example)).toBe(expected)
})

test.each<[string, Case, string]>([
  ['all tags, sorted by key', { tags: { b: '2', a: '1' } }, 'n;a=1;b=2'],
  [
    'ids are tags, not parts of the path',
    { prefix: 'dcos', tags: ids },
    'dcos.n;container_id=c;executor_id=app.uuid;framework_id=f-1',
  ],
  [
    'of repeated tags the last',
    {
      tags: [
        { key: 'k', value: 'a' },
        { key: 'k', value: 'b' },
      ],
    },
    'n;k=b',
  ],
  ['tags without key or value are left out', { tags: { '': 'x', empty: '' } }, 'n'],
  [';, !, ^ and = and blanks in a key', { tags: { 'a;b!c^d=e f': 'v' } }, 'n;a_b_c_d_e_f=v'],
  ['; and blanks in a value; = may stand there', { tags: { k: 'a;b c\nd=e!' } }, 'n;k=a_b_c_d=e!'],
  ['a value that begins with ~', { tags: { k: '~a~' } }, 'n;k=_a~'],
  ['slashes and other letters in a value', { tags: { k: '/x/ü' } }, 'n;k=/x/ü'],
  ['an end that carbon takes for OpenMetrics', { tags: { k: '{a="b"}' } }, 'n;k={a="b"_'],
  ["carbon's own tag", { tags: { name: 'x' } }, 'n;name_=x'],
])('tags: %s', (_rule, example, expected) => {
  expect(path({ ...example, asTags: true })).toBe(expected)
})

test.each([
  ['seconds, rounded down', at, 0.5, 'n 0.5 1469124000\n'],
  ['large values', at, 1e21, 'n 1e+21 1469124000\n'],
  ['before 1970', -1500, 1, 'n 1 -2\n'],
])('line: %s', (_rule, timeMs, value, line) => {
  const list = { topic: 't', tags: [], datapoints: encodeDatapoints([{ name: 'n', timeMs, value }]) }
  expect(linesOf(plainPaths, list).text).toBe(line)
})

test('NaN and infinities are left out and told', () => {
  const points = [Number.NaN, Number.POSITIVE_INFINITY, 2].map((value) => ({ name: 'n', timeMs: at, value }))
  const list = { topic: 't', tags: [], datapoints: encodeDatapoints(points) }
  expect(linesOf(plainPaths, list)).toEqual({
    text: 'n 2 1469124000\n',
    datapoints: 1,
    notFinite: 2,
    tooLarge: 0,
    undecodable: 0,
  })
})

test('a line at which carbon would close the connection is left out and told', () => {
  const encode = createGraphiteLines(createGraphiteNames({ prefix: '', prefixIds: true, tags: true }))
  const tooLargeWith = (value: string) => {
    const points = [{ name: 'n', timeMs: at, value: 1 }]
    return linesOf(encode, { topic: 't', tags: [{ key: 'k', value }], datapoints: encodeDatapoints(points) })
  }
  expect(tooLargeWith('v'.repeat(16_000))).toMatchObject({ datapoints: 1, tooLarge: 0 })
  expect(tooLargeWith('v'.repeat(16_384))).toEqual({
    text: '',
    datapoints: 0,
    notFinite: 0,
    tooLarge: 1,
    undecodable: 0,
  })
  expect(tooLargeWith('指'.repeat(6000))).toMatchObject({ datapoints: 0, tooLarge: 1 })
})
