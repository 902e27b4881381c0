import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

test.each(['old-generation.ts', 'young-generation.ts'])('V8 knows each flag that %s sets', (file) => {
  const source = readFileSync(fileURLToPath(new URL(`../../src/platform/${file}`, import.meta.url)), 'utf8')
  const flags = [...source.matchAll(/setFlagsFromString\('(.+)'\)/g)].map(([, flag]) => flag)
  expect(flags.length).toBeGreaterThan(0)
  const program = flags.map((flag) => `require('node:v8').setFlagsFromString('${flag}');`).join('')
  // V8 tells of a flag that it does not know, and goes on.
  expect(String(spawnSync(process.execPath, ['-e', program]).stderr)).toBe('')
})
