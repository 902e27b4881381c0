import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('bench/run.js', import.meta.url))

function bench(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
  return { status, stdout, stderr }
}

const usage = expect.stringMatching(/^node test\/bench\/run\.js [\s\S]*--only PARTS +of proxy,.*[\s\S]*--rounds N/)

test('--help tells the options and the parts', () => {
  expect(bench('--help')).toEqual({ status: 0, stdout: usage, stderr: '' })
})

test.each([
  ['a part that is none', ['--only', 'proxy,nonsense'], /^--only: no part is called "nonsense"\.$/],
  ['no part', ['--only', ''], /^--only: no part is called ""\.$/],
  ['an unknown option', ['--fast'], /^Unknown option '--fast'/],
  ['a value that is missing', ['--case'], /^Option '--case <value>' argument missing$/],
  ['what is no option', ['proxy'], /^Unexpected argument 'proxy'/],
  ['a number that is none', ['--rounds', 'many'], /^--rounds: expected a whole number from 1 on, got many\.$/],
  ['a program that is not there', ['--program', 'no/cli.js'], /^There is no program no\/cli\.js: npm run build/],
])('%s: what is expected is told, without a stack', (_rule, args, message) => {
  const { status, stdout, stderr } = bench(...args)
  const [first, rest] = stderr.split(/\n\n(.*)/s)
  expect({ status, stdout, first, rest }).toEqual({
    status: 2,
    stdout: '',
    first: expect.stringMatching(message),
    rest: usage,
  })
})
