// Measures dcos-stats against floors and peers: see README.md beside it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createBench } from './support/bench.js'
import { readOptions, UsageError, usage } from './support/options.js'
import { addNodeFlags, endAll } from './support/processes.js'
import { updateReadme } from './support/readme.js'

const options = optionsOrExit()

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
  rounds: options.rounds,
})
if (options.profile !== undefined) addNodeFlags(['--cpu-prof', '--cpu-prof-dir', resolve(options.profile)])
for (const name of options.only) {
  const { default: measure } = await import(`./cases/${name}.js`)
  await measure(bench)
}
const results = bench.results()
process.stdout.write(`\n${bench.table()}\n`)
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`)
if (options.update) updateReadme(results, bench.table())
process.exitCode = results.failures.length > 0 ? 1 : 0
process.exit()

function optionsOrExit() {
  try {
    const options = readOptions(process.argv.slice(2))
    if (!options.help) return options
    process.stdout.write(usage)
    process.exit(0)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`${error.message}\n\n${usage}`)
    process.exit(2)
  }
}
