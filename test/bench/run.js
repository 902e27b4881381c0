// Measures dcos-stats against floors and peers: see README.md beside it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createBench } from './support/bench.js'
import { addNodeFlags, endAll } from './support/processes.js'
import { updateReadme } from './support/readme.js'

const parts = ['proxy', 'collector', 'consume', 'bus', 'end-to-end', 'growth', 'start']

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    // A part of a case's name: only such cases are measured.
    case: { type: 'string', default: '' },
    only: { type: 'string', default: parts.join(',') },
    rounds: { type: 'string' },
    program: { type: 'string', default: fileURLToPath(new URL('../../dist/cli.js', import.meta.url)) },
    profile: { type: 'string' },
    json: { type: 'string' },
    update: { type: 'boolean', default: false },
  },
})

const dir = mkdtempSync(join(tmpdir(), 'dcos-stats-bench-'))
process.on('exit', () => {
  endAll()
  rmSync(dir, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

const bench = createBench({
  dir,
  program: resolve(options.program),
  quick: options.quick,
  caseName: options.case,
  rounds: options.rounds === undefined ? undefined : Number(options.rounds),
})
if (options.profile !== undefined) addNodeFlags(['--cpu-prof', '--cpu-prof-dir', resolve(options.profile)])
for (const name of options.only.split(',')) {
  const { default: measure } = await import(`./cases/${name}.js`)
  await measure(bench)
}
const results = bench.results()
process.stdout.write(`\n${bench.table()}\n`)
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`)
if (options.update) updateReadme(results, bench.table())
process.exitCode = results.failures.length > 0 ? 1 : 0
process.exit()
