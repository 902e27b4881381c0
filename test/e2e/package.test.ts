import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expectBalanced, ledgersAtExit } from '../support/ledgers.js'
import { endPrograms, startProgram } from '../support/program.js'

const run = promisify(execFile)
const project = fileURLToPath(new URL('../..', import.meta.url))
let dir: string

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dcos-stats-package-'))
})
afterAll(async () => {
  await endPrograms()
  await rm(dir, { recursive: true, force: true })
})

test('the tarball of `npm pack`, installed in an empty folder, runs the local stack', async () => {
  // In a folder of its own, so that this build and the one of the working tree do not meet.
  await run('npm', ['pack', '--pack-destination', dir], { cwd: project })
  const [tarball] = (await readdir(dir)).filter((name) => name.endsWith('.tgz'))
  await run('npm', ['init', '--yes'], { cwd: dir })
  const install = ['install', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund', `./${tarball}`]
  await run('npm', install, { cwd: dir })

  const bin = join(dir, 'node_modules', '.bin', 'dcos-stats')
  const { stdout } = await run('npx', ['--no-install', 'dcos-stats', '--version'], { cwd: dir })
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  const stack = startProgram(bin, ['local-stack', '--duration', '6'])
  await stack.dataWhere(({ name }) => name === 'web.requests')
  const { parts } = (await stack.logWhere(({ msg }) => msg === 'running')) as { parts?: Record<string, string> }
  expect(await (await fetch(parts?.['live page'] ?? '')).text()).toContain('<title>dcos-stats</title>')
  expect(await stack.ended).toEqual({ code: 0, signal: null })
  expectBalanced(ledgersAtExit(stack.log), ['statsd-proxy', 'collector', 'consume'])

  const installed = await readdir(join(dir, 'node_modules'))
  expect(installed.filter((name) => ['jest', 'typescript', 'fast-check', 'hot-shots'].includes(name))).toEqual([])
}, 180_000)
