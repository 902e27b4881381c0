import fc from 'fast-check'
import {
  prometheusHead,
  prometheusLabels,
  prometheusMetricName,
  prometheusSample,
} from '../../src/codec/prometheus-text.js'
import { parseExposition } from '../support/exposition.js'

const seed = 20_240_612

test.each([
  ['dots become underscores', 'dcos.metrics.agent.master/elected', 'dcos_metrics_agent_master_elected'],
  ['a digit does not come first', '9lives', '_9lives'],
  ['colons are for rules', 'a:b', 'a_b'],
  ['a character is one underscore, whatever its bytes', 'größe\u{1f600}', 'gr__e_'],
  ['no name at all', '', '_'],
  ['a legal name stays', '_Up_2', '_Up_2'],
])('prometheusMetricName: %s', (_rule, name, expected) => {
  expect(prometheusMetricName(name)).toBe(expected)
})

test.each<[rule: string, tags: readonly (readonly [string, string])[], expected: string]>([
  ['none', [], ''],
  [
    'in the order of their names',
    [
      ['b', '1'],
      ['a', '2'],
    ],
    'a="2",b="1"',
  ],
  ['names are made legal', [['app.id-1', 'x']], 'app_id_1="x"'],
  ['no digit first', [['1st', 'x']], '_1st="x"'],
  ["Prometheus' own names are not ours to give", [['__name__', 'x']], '_name__="x"'],
  [
    'names that became equal are told apart',
    [
      ['a.b', '1'],
      ['a-b', '2'],
      ['a_b', '3'],
    ],
    'a_b="1",a_b_2="2",a_b_3="3"',
  ],
  [
    'a repeated tag keeps all its values',
    [
      ['role', 'web'],
      ['role', 'db'],
    ],
    'role="web",role_2="db"',
  ],
  [
    'repeated with the same value it stands once',
    [
      ['role', 'web'],
      ['role', 'web'],
    ],
    'role="web"',
  ],
  [
    'the name for a third is not taken from a tag that has it',
    [
      ['a_2', 'x'],
      ['a', '1'],
      ['a', '2'],
    ],
    'a="1",a_2="x",a_3="2"',
  ],
  ['a label without a value would not be there', [['prod', '']], 'prod="true"'],
  ['no key', [['', 'x']], '_="x"'],
  [
    'no keys, several times',
    [
      ['', 'x'],
      ['', 'y'],
    ],
    '_="x",_2="y"',
  ],
  ['the label for original names is kept free', [['original_name', 'x']], 'original_name_2="x"'],
  ['quotes, backslashes and line ends are escaped', [['a', '"\\\n']], 'a="\\"\\\\\\n"'],
  ['what a reader could take for an end has no escape', [['a', 'x\0\r\x85\u2028y']], 'a="x\ufffd\ufffd\ufffd\ufffdy"'],
  ['everything else stands as it is', [['a', '\t{}=, é\u{1f600}']], 'a="\t{}=, é\u{1f600}"'],
])('prometheusLabels: %s', (_rule, tags, expected) => {
  expect(prometheusLabels(tags.map(([key, value]) => ({ key, value })))).toBe(expected)
})

test.each([
  [0.1, '0.1'],
  [-0, '0'],
  [1e21, '1e+21'],
  [-5e-324, '-5e-324'],
  [Number.NaN, 'NaN'],
  [Number.POSITIVE_INFINITY, '+Inf'],
  [Number.NEGATIVE_INFINITY, '-Inf'],
])('prometheusSample: %d is %s', (value, text) => {
  expect(prometheusSample('n', '', value)).toBe(`n ${text}\n`)
  expect(prometheusSample('n', 'a="b"', value)).toBe(`n{a="b"} ${text}\n`)
})

test('prometheusHead: help is one line', () => {
  expect(prometheusHead('n', 'a\\b\nc"d"\r')).toBe('# HELP n a\\\\b\\nc"d"\ufffd\n# TYPE n gauge\n')
})

test(`any name, tags and value make a page that a strict reader takes, with the values it came from (seed ${seed})`, () => {
  const text = fc.string({ unit: fc.constantFrom(...'"\\\n\r\0{}=,#_ .aA0é\u{1f600}') })
  const tag = fc.record({ key: text, value: text })
  fc.assert(
    fc.property(text, fc.array(tag, { maxLength: 5 }), fc.double(), (name, tags, value) => {
      const metric = prometheusMetricName(name)
      const page = prometheusHead(metric, name) + prometheusSample(metric, prometheusLabels(tags), value)
      const [sample] = parseExposition(page)
      expect(sample!.name).toBe(metric)
      expect(sample!.value).toBe(value + 0)
      const sent = new Set(tags.map((tag) => tag.value.replace(/[\0\r]/g, '\ufffd') || 'true'))
      expect(new Set(Object.values(sample!.labels))).toEqual(sent)
    }),
    { seed, numRuns: 2000 },
  )
})

test.each([
  ['no end of the last line', '# HELP a x\n# TYPE a gauge\na 1'],
  ['a series twice', '# HELP a x\n# TYPE a gauge\na{b="1",c="2"} 1\na{c="2",b="1"} 1\n'],
  ['a metric twice', '# HELP a x\n# TYPE a gauge\na 1\n# HELP a x\n# TYPE a gauge\na{b="1"} 1\n'],
  ['a label twice', '# HELP a x\n# TYPE a gauge\na{b="1",b="2"} 1\n'],
  ['a raw quote', '# HELP a x\n# TYPE a gauge\na{b="""} 1\n'],
  ['an unknown escape', '# HELP a x\n# TYPE a gauge\na{b="\\x"} 1\n'],
  ['an illegal name', '# HELP a.b x\n# TYPE a.b gauge\na.b 1\n'],
  ['a timestamp', '# HELP a x\n# TYPE a gauge\na 1 1000\n'],
])('the strict reader refuses %s', (_what, page) => {
  expect(() => parseExposition(page)).toThrow(/Line|last line/)
})
