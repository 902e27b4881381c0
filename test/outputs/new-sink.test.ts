import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const project = fileURLToPath(new URL('../..', import.meta.url))
let dir: string

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dcos-stats-new-sink-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

/** Follows src/outputs/README.md in a copy of the project. */
test('the sink of src/outputs/README.md compiles and keeps the contract', async () => {
  for (const name of [
    'src',
    'test/support',
    'schema',
    'package.json',
    'jest.config.js',
    'tsconfig.json',
    'biome.json',
  ]) {
    await cp(join(project, name), join(dir, name), { recursive: true })
  }
  await symlink(join(project, 'node_modules'), join(dir, 'node_modules'), 'dir')
  const page = await readFile(join(project, 'src', 'outputs', 'README.md'), 'utf8')
  const files = [...page.matchAll(/`((?:src|test)\/outputs\/[a-z-]+(?:\.test)?\.ts)`:\n\n```ts\n([\s\S]*?)^```$/gm)]
  expect(files.map(([, path]) => path)).toEqual(['src/outputs/http-lines.ts', 'test/outputs/http-lines.test.ts'])
  for (const [, path = '', code = ''] of files) {
    await cp(join(project, 'src', 'outputs', 'sink.ts'), join(dir, path), { recursive: true })
    await writeFile(join(dir, path), code)
  }

  const paths = files.map(([, path = '']) => path)
  const lint = await run(['node_modules/@biomejs/biome/bin/biome', 'check', ...paths])
  expect(lint).toEqual({ code: 0, output: expect.any(String) })
  const types = await run(['node_modules/typescript/bin/tsc', '--noEmit'])
  // What is wrong in the rest of a tree that is being worked on is for the lint to say.
  expect(types.output.split('\n').filter((line) => line.includes('http-lines'))).toEqual([])
  const tests = await run(['test/support/run-jest.js', 'test/outputs/http-lines.test.ts'])
  expect(tests).toMatchObject({ code: 0, output: expect.stringMatching(/Tests: +\d{2} passed, \d{2} total/) })
}, 120_000)

function run(args: readonly string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: dir }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, output: stdout + stderr })
    })
  })
}
