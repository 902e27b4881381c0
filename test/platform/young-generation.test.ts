import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const source = readFileSync(fileURLToPath(new URL('../../src/platform/young-generation.ts', import.meta.url)), 'utf8')

/** How large V8's young generation is after a program has made objects, a tenth of which stay for a while. */
const grow = `
  const v8 = await import('node:v8')
  let kept = []
  for (let step = 0; step < 3_000_000; step++) {
    const object = { step }
    if (step % 10 === 0) kept.push(object)
    if (kept.length > 50_000) kept = []
  }
  const { space_size } = v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
  console.log(space_size / 1024)
`

function youngKbytesAfter(program: string): number {
  return Number(execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }))
}

test('stays as small as it was at the start, where it would grow', () => {
  // The file has no types, so Node runs it as it is. Both halves of the young generation count.
  expect(youngKbytesAfter(source + grow)).toBeLessThanOrEqual(4 * 1024)
  expect(youngKbytesAfter(grow)).toBeGreaterThan(4 * 1024)
})
