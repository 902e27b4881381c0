import { renderColumns } from '../../src/telemetry/columns.js'

test.each<[rule: string, rows: string[][], text: string]>([
  [
    'columns are as wide as their widest cell',
    [
      ['a', 'b'],
      ['long', 'c'],
    ],
    'a     b\nlong  c\n',
  ],
  [
    'no blanks at the end of a line',
    [
      ['a', 'b'],
      ['c', ''],
    ],
    'a  b\nc\n',
  ],
  ['a short row is a row', [['a', 'bb', 'c'], ['dd']], 'a   bb  c\ndd\n'],
])('%s', (_rule, rows, text) => {
  expect(renderColumns(rows)).toBe(text)
})
