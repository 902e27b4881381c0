// Writes the option tables of README.md anew: `npm run docs`. With --check it only tells whether they are current.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { renderReadme } from './readme.js'

const path = fileURLToPath(new URL('../../README.md', import.meta.url))
const page = readFileSync(path, 'utf8')
const current = renderReadme(page)
if (current === page) {
  process.stderr.write('README.md is current.\n')
} else if (process.argv.includes('--check')) {
  process.stderr.write('The option tables of README.md are not current: run `npm run docs`.\n')
  process.exitCode = 1
} else {
  writeFileSync(path, current)
  process.stderr.write('README.md has the current option tables.\n')
}
