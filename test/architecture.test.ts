import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findViolations, type SourceTree } from './support/architecture.js'

const root = fileURLToPath(new URL('../src', import.meta.url))

test('the source tree keeps the directions of import, has no cycle, and only cli.ts touches the process', () => {
  const tree = readTree()
  expect(Object.keys(tree).length).toBeGreaterThan(30)
  expect(findViolations(tree)).toEqual([])
})

describe('the check itself', () => {
  test.each<[rule: string, tree: SourceTree]>([
    ['downwards is allowed', { 'codec/a.ts': "import type { X } from '../model/x.js'", 'model/x.ts': '' }],
    ['within a folder is allowed', { 'bus/a.ts': "import { b } from './b.js'", 'bus/b.ts': '' }],
    ['libraries are allowed outside the model', { 'bus/a.ts': "import { Kafka } from 'kafkajs'" }],
    ['the pipeline sees the interfaces', { 'pipeline/a.ts': "import type { Sink } from '../outputs/sink.js'" }],
    ['cli.ts reads the process', { 'cli.ts': 'const { argv } = process; process.exit(process.env.X)' }],
    ['a comment may speak of process.env', { 'bus/a.ts': '// never process.env\n/* process.exit() */' }],
    ['stderr is no secret', { 'telemetry/log.ts': 'const out = process.stderr' }],
    [
      'two roads to one file are no cycle',
      {
        'bus/a.ts': "import './b.js'\nimport './c.js'",
        'bus/b.ts': "import './d.js'",
        'bus/c.ts': "import './d.js'",
        'bus/d.ts': '',
      },
    ],
  ])('passes: %s', (_rule, tree) => {
    expect(findViolations(tree)).toEqual([])
  })

  test.each<[rule: string, tree: SourceTree, violation: RegExp]>([
    ['upwards', { 'model/a.ts': "import { b } from '../codec/b.js'" }, /model may not know codec/],
    ['sideways', { 'codec/a.ts': "import { b } from '../telemetry/b.js'" }, /codec may not know telemetry/],
    ['a type alone', { 'bus/a.ts': "import type { B } from '../agent/b.js'" }, /bus may not know agent/],
    ['over several lines', { 'bus/a.ts': "import {\n  b,\n  c,\n} from '../agent/b.js'" }, /bus may not know agent/],
    ['a re-export', { 'bus/a.ts': "export * from '../agent/b.js'" }, /bus may not know agent/],
    ['a lazy import', { 'bus/a.ts': "const b = await import('../agent/b.js')" }, /bus may not know agent/],
    ['inputs to outputs', { 'inputs/a.ts': "import '../outputs/b.js'" }, /inputs may not know outputs/],
    ['outputs to inputs', { 'outputs/a.ts': "import '../inputs/b.js'" }, /outputs may not know inputs/],
    ['the pipeline to one output', { 'pipeline/a.ts': "import '../outputs/influx.js'" }, /sees only/],
    ['anything to cli.ts', { 'commands/a.ts': "import '../cli.js'" }, /commands may not know cli.ts/],
    ['a folder without a place', { 'utils/a.ts': "import '../model/b.js'" }, /utils has no place/],
    ['out of the source tree', { 'commands/a.ts': "import '../../test/b.js'" }, /outside the house/],
    ['a library in the model', { 'model/a.ts': "import { z } from 'zod'" }, /model has no libraries/],
    ['I/O in the model', { 'model/a.ts': "import { readFileSync } from 'node:fs'" }, /model has no libraries/],
    ['a socket in a codec', { 'codec/a.ts': "import { connect } from 'node:net'" }, /codec is pure/],
    ['process.env', { 'bus/a.ts': 'const x = process.env.HOME' }, /reaches for the process/],
    ['process.argv', { 'bus/a.ts': 'const x = process.argv[2]' }, /reaches for the process/],
    ['process.exit', { 'bus/a.ts': 'process.exit(1)' }, /reaches for the process/],
    ['the process taken apart', { 'bus/a.ts': 'const { env } = process' }, /reaches for the process/],
    ['the process by brackets', { 'bus/a.ts': "process['env']" }, /reaches for the process/],
    ['the process imported', { 'bus/a.ts': "import { env } from 'node:process'" }, /reaches for the process/],
    ['code behind an address', { 'bus/a.ts': "const u = 'http://x'; process.exit(1)" }, /reaches for the process/],
    [
      'a cycle',
      { 'bus/a.ts': "import './b.js'", 'bus/b.ts': "import './c.js'", 'bus/c.ts': "import './a.js'" },
      /^cycle: bus\/a.ts -> bus\/b.ts -> bus\/c.ts -> bus\/a.ts$/,
    ],
    ['a file that imports itself', { 'bus/a.ts': "import './a.js'" }, /^cycle: bus\/a.ts -> bus\/a.ts$/],
  ])('fails: %s', (_rule, tree, violation) => {
    expect(findViolations(tree)).toEqual([expect.stringMatching(violation)])
  })
})

function readTree(): SourceTree {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.name.endsWith('.ts'),
  )
  const paths = files.map(({ parentPath, name }) => join(parentPath, name))
  return Object.fromEntries(
    paths.map((path) => [relative(root, path).split(sep).join('/'), readFileSync(path, 'utf8')]),
  )
}
