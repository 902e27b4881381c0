import { createPrettyLines } from '../../src/codec/pretty-line.js'
import type { MetricList } from '../../src/model/metric-list.js'
import { linesOf } from '../support/lines.js'
import { listOf, point } from '../support/sink-contract.js'

function rendererOf(options: { colour: boolean }) {
  const encode = createPrettyLines(options)
  return (list: MetricList) => linesOf(encode, list)
}

const tags = [
  { key: 'framework_id', value: 'f' },
  { key: 'host', value: 'a' },
]

test('topic and tags above, times, names and values in columns', () => {
  const render = rendererOf({ colour: false })
  expect(render(listOf([point('cpu.load', 0.25), point('mem', 1024)], { topic: 'agent', tags })).text).toBe(
    [
      'agent framework_id=f host=a',
      '  2023-11-14T22:13:20.123Z  cpu.load  0.25',
      '  2023-11-14T22:13:20.123Z  mem       1024',
      '',
    ].join('\n'),
  )
})

test('lists with the same topic and tags that follow each other share the line above', () => {
  const render = rendererOf({ colour: false })
  const first = render(listOf([point('a', 1)], { topic: 't', tags })).text
  const again = render(listOf([point('a', 2)], { topic: 't', tags: [...tags] })).text
  const other = render(listOf([point('a', 3)], { topic: 'u', tags })).text
  expect([first, again, other].map((text) => text.split('\n').length - 1)).toEqual([2, 1, 2])
})

test('colours only where asked for', () => {
  const list = listOf([point('a', 1)], { tags })
  expect(rendererOf({ colour: true })(list).text).toContain('\u001b[36ma\u001b[0m')
  expect(rendererOf({ colour: false })(list).text).not.toContain('\u001b')
})

test('what a container sends cannot drive the terminal', () => {
  const nasty = '\u001b[2J\r\n\u0007\u202eevil\u009b1m'
  const list = listOf([point(nasty, 1)], { topic: nasty, tags: [{ key: nasty, value: nasty }] })
  const { text } = rendererOf({ colour: false })(list)
  expect(text.split('\n')).toHaveLength(3)
  expect(text).toContain('\\u001b[2J\\u000d\\u000a\\u0007\\u202eevil\\u009b1m')
  expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e]/u)
})

test.each([
  [Number.NaN, 'NaN'],
  [Number.NEGATIVE_INFINITY, '-Infinity'],
  [-0, '-0'],
])('the value %p is shown as %s', (value, shown) => {
  expect(rendererOf({ colour: false })(listOf([point('n', value)])).text).toContain(` ${shown}\n`)
})
