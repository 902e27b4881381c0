import { spawn } from 'node:child_process'
import type { LiveState } from '../../src/model/live.js'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { endPrograms, startProgram } from '../support/program.js'

let cli: BuiltCli
beforeAll(async () => {
  cli = await buildCli()
}, 60_000)
afterAll(() => cli.remove())
afterEach(endPrograms)

/** Runs `top` with these flags until it ends, or until it has printed what is waited for. */
async function top(flags: readonly string[], isEnough: (stdout: string) => boolean = () => false) {
  const child = spawn(process.execPath, [cli.path, 'top', ...flags], { env: { PATH: process.env.PATH ?? '' } })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
    if (isEnough(stdout)) child.kill('SIGTERM')
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const status = await new Promise((resolve) => child.once('close', resolve))
  return { status, stdout, stderr }
}

test('top tells of a running stack what its page tells: once or each second, as rows or as JSON', async () => {
  const stack = startProgram(cli.path, ['local-stack', '--admin-listen', '127.0.0.1:0'])
  await stack.dataWhere(({ name }) => name === 'web.requests')
  const { parts } = (await stack.logWhere(({ msg }) => msg === 'running')) as { parts?: Record<string, string> }
  const admin = ['--admin', new URL(parts?.['live page'] ?? '').host]

  const rows = await top([...admin, '--once'])
  expect(rows).toMatchObject({ status: 0, stderr: '' })
  expect(rows.stdout).toMatch(/^dcos-stats \S+ {2}local-stack at 127\.0\.0\.1:\d+, up \d+ s, ready\n/)
  for (const name of ['statsd-proxy', 'collector', 'consume', 'try-it', 'marathon']) expect(rows.stdout).toContain(name)

  const found = await top([...admin, '--once', '--json', '--search', 'web.', '--limit', '1000'])
  const state = JSON.parse(found.stdout) as LiveState
  expect(state.names.rows.map(({ id }) => id).sort()).toEqual(['web.latency', 'web.requests', 'web.sessions'])
  expect(state.names.rows[0]?.rate).toBeGreaterThan(0)
  expect(state.containers.rows).toEqual([])
  expect(state.hops.map(({ hop }) => hop)).toEqual(['statsd-proxy', 'collector', 'consume'])

  const stream = await top([...admin, '--json', '--show', 'names'], (stdout) => stdout.split('\n').length > 3)
  expect(stream.status).toBe(0)
  const times = stream.stdout
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as LiveState).atMs)
  expect(times.length).toBeGreaterThanOrEqual(3)
  expect([...times].sort()).toEqual(times)
}, 60_000)

test('a daemon that is not there is told, exit 69', async () => {
  expect(await top(['--admin', '127.0.0.1:1', '--once'])).toEqual({
    status: 69,
    stdout: '',
    stderr: expect.stringMatching(/^dcos-stats top: The daemon at --admin 127\.0\.0\.1:1 does not answer/),
  })
})
