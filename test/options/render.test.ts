import { readFileSync } from 'node:fs'
import { flag, group, integer, list, text } from '../../src/options/option.js'
import { renderReadme } from '../../src/options/readme.js'
import { renderMarkdown, renderOptions, renderVariables } from '../../src/options/render.js'

const rows = {
  ...group('Output', {
    'batch-points': integer({ default: 2000, unit: 'points', help: 'Size.' }),
    password: text({ secret: true, help: 'Secret.' }),
    mode: text({ default: 'a|b', placeholder: 'A|B', help: 'Mode.' }),
  }),
  ...group('Input', {
    topics: list({ defaultText: 'all', variables: ['KAFKA_OVERRIDE_TOPIC_LIST'], aliases: ['topic'], help: 'Topics.' }),
    later: flag({ default: false, notYet: true, help: 'Later.' }),
  }),
}

test('an option is rendered for --help with its value, unit, other names and default', () => {
  expect(renderOptions(rows)).toEqual({
    'batch-points': { describe: 'Size. [N points, $BATCH_POINTS]', group: 'Output:', defaultDescription: '2000' },
    password: { describe: 'Secret. [TEXT, --password-file, $PASSWORD]', group: 'Output:' },
    mode: { describe: 'Mode. [A|B, $MODE]', group: 'Output:', defaultDescription: 'a|b' },
    topics: {
      describe: 'Topics. [TEXT,..., --topic, $TOPICS, $KAFKA_OVERRIDE_TOPIC_LIST]',
      group: 'Input:',
      defaultDescription: 'all',
    },
  })
})

test('options are rendered as a Markdown table for each group', () => {
  expect(renderMarkdown(rows)).toBe(
    [
      '**Output**',
      '',
      '| Option | Value | Default | Variable | Meaning |',
      '| --- | --- | --- | --- | --- |',
      '| `--batch-points` | N points | `2000` | `BATCH_POINTS` | Size. |',
      '| `--password`, `--password-file` | TEXT |  | `PASSWORD` | Secret. |',
      '| `--mode` | A\\|B | `a\\|b` | `MODE` | Mode. |',
      '',
      '**Input**',
      '',
      '| Option | Value | Default | Variable | Meaning |',
      '| --- | --- | --- | --- | --- |',
      '| `--topics`, `--topic` | TEXT,... | all | `TOPICS`, `KAFKA_OVERRIDE_TOPIC_LIST` | Topics. |',
    ].join('\n'),
  )
})

test('variables of the first consumers are rendered with the property they stood for', () => {
  expect(renderVariables(rows, 'KAFKA_OVERRIDE_').split('\n').at(-1)).toBe(
    '| `KAFKA_OVERRIDE_TOPIC_LIST` | `topic.list` | `--topics` |',
  )
})

describe('a page with markers', () => {
  const page = 'Before\n<!-- options:emit-avro -->\nold\n<!-- /options -->\nafter\n'

  test('gets the tables of today, and nothing else changes', () => {
    const rendered = renderReadme(page)
    expect(rendered).toMatch(
      /^Before\n<!-- options:emit-avro -->\n\n\*\*Emitter\*\*\n[\s\S]*\n\n<!-- \/options -->\nafter\n$/,
    )
    expect(rendered).not.toContain('\nold\n')
    expect(renderReadme(rendered)).toBe(rendered)
  })

  test.each([
    ['names no table', page.replace('emit-avro', 'emit-snow'), /No options of this name: emit-snow/],
    ['is never closed', page.replace('/options', ''), /never closed/],
    ['is opened twice', `<!-- options:collector -->\n${page}`, /never closed/],
  ])('whose marker %s is refused', (_fault, faulty, message) => {
    expect(() => renderReadme(faulty)).toThrow(message)
  })
})

test('the option tables of README.md are current (npm run docs)', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  expect(readme).toContain('<!-- options:collector -->')
  const current = renderReadme(readme)
  // Lines first: the difference of two long pages takes minutes to lay out.
  const lines = new Set(readme.split('\n'))
  expect(current.split('\n').filter((line) => !lines.has(line))).toEqual([])
  expect(current === readme).toBe(true)
})
