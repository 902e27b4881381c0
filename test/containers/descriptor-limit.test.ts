import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readDescriptorLimit } from '../../src/containers/descriptor-limit.js'

const heading = 'Limit                     Soft Limit           Hard Limit           Units     \n'

test.each([
  ['a number', 'Max open files            1024                 4096                 files     \n', 1024],
  ['unlimited', 'Max open files            unlimited            unlimited            files     \n', Infinity],
  ['another system', '', undefined],
])('the soft limit of open files: %s', async (_what, row, limit) => {
  const folder = await mkdtemp(join(tmpdir(), 'dcos-stats-limits-'))
  const path = join(folder, 'limits')
  await writeFile(path, `${heading}Max processes             1                    1          processes \n${row}`)
  expect(await readDescriptorLimit(path)).toBe(limit)
  await rm(folder, { recursive: true })
})

test('a system without such a file does not tell', async () => {
  expect(await readDescriptorLimit(join(tmpdir(), 'no', 'such', 'file'))).toBeUndefined()
})
