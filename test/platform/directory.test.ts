import { existsSync } from 'node:fs'
import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeDirectory } from '../../src/platform/directory.js'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dcos-stats-directory-'))
  await writeFile(join(dir, 'file'), '')
  await symlink(join(dir, 'nowhere'), join(dir, 'dangling'))
})
afterAll(() => rm(dir, { recursive: true }))

test('makes what is missing above, and several at once do not get in each other`s way', async () => {
  const path = join(dir, 'a', 'b', 'c')
  await Promise.all(Array.from({ length: 20 }, () => makeDirectory(path)))
  expect((await stat(path)).isDirectory()).toBe(true)
  await makeDirectory(path)
})

test.each([
  ['a file in the way', 'file', 'EEXIST'],
  ['a file above', 'file/below', 'EEXIST'],
  ['a link to nowhere', 'dangling', 'EEXIST'],
])('%s', async (_what, name, code) => {
  await expect(makeDirectory(join(dir, name))).rejects.toMatchObject({ code })
})

const testOnProc = existsSync('/proc/self') ? test : test.skip
testOnProc('a file system that takes no directories is an error, not an endless try', async () => {
  await expect(makeDirectory('/proc/dcos-stats/below')).rejects.toMatchObject({ code: 'ENOENT' })
})
