import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createStateDir } from '../../src/containers/state-dir.js'
import { Counters } from '../../src/telemetry/counters.js'
import { silentLog } from '../../src/telemetry/log.js'

let path: string
let containers: string

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'dcos-stats-state-'))
  containers = join(path, 'containers')
})

afterEach(() => rm(path, { recursive: true, force: true }))

function open() {
  const counters = new Counters()
  const errors: Record<string, unknown>[] = []
  const log = { ...silentLog, error: (fields: unknown) => void errors.push(fields as Record<string, unknown>) }
  return { state: createStateDir({ path, log, counters }), counters, errors }
}

test('a file has the id as its name without suffix, and what the module was told as its content', async () => {
  const { state } = open()
  await state.save({ containerId: 'outer/nested', host: '127.0.0.1', port: 40_000 })
  expect(await readdir(containers)).toEqual(['outernested'])
  expect(JSON.parse(await readFile(join(containers, 'outernested'), 'utf8'))).toEqual({
    container_id: 'outer/nested',
    statsd_host: '127.0.0.1',
    statsd_port: 40_000,
  })
  expect(await readdir(join(path, 'tmp'))).toEqual([])
})

test('what one run saves the next one loads; what it removes is gone', async () => {
  const { state } = open()
  const one = { containerId: 'one', host: '127.0.0.1', port: 1 }
  const two = { containerId: 'a/two', host: '::1', port: 65_535 }
  for (const endpoint of [one, two, { containerId: 'gone', host: 'x', port: 2 }]) await state.save(endpoint)
  await state.remove('gone')
  await state.remove('gone')
  await state.remove('..')
  expect(new Set(await open().state.load())).toEqual(new Set([one, two]))
})

test('a file as the first DC/OS releases wrote it is read', async () => {
  await mkdir(containers, { recursive: true })
  await writeFile(join(containers, 'c1'), '{"container_id":"c1","statsd_host":"127.0.0.1","statsd_port":33333}')
  expect(await open().state.load()).toEqual([{ containerId: 'c1', host: '127.0.0.1', port: 33_333 }])
})

test('a folder that is not there is an empty one', async () => {
  const { state, errors } = open()
  expect(await state.load()).toEqual([])
  expect(errors).toEqual([])
  expect(await readdir(path)).toEqual([])
})

test.each([
  ['cut', 'bad', '{"container_id":"ba'],
  ['empty', 'bad', ''],
  ['no object', 'bad', '[]'],
  ['null', 'bad', 'null'],
  ['without id', 'bad', '{"statsd_host":"h","statsd_port":1}'],
  ['without host', 'bad', '{"container_id":"bad","statsd_port":1}'],
  ['without port', 'bad', '{"container_id":"bad","statsd_host":"h"}'],
  ['a negative port', 'bad', '{"container_id":"bad","statsd_host":"h","statsd_port":-1}'],
  ['a port that is text', 'bad', '{"container_id":"bad","statsd_host":"h","statsd_port":"1"}'],
  ['binary', 'bad', '\0\x01\xff'],
  ['far too large', 'bad', ' '.repeat(100_000)],
  ['foreign: another name than its container', 'bad', '{"container_id":"other","statsd_host":"h","statsd_port":1}'],
  ['foreign: a suffix', 'c1.json', '{"container_id":"c1","statsd_host":"h","statsd_port":1}'],
])('set aside, named, and not read again: %s', async (_what, name, content) => {
  await open().state.save({ containerId: 'good', host: '127.0.0.1', port: 5 })
  await writeFile(join(containers, name), content)
  const { state, counters, errors } = open()
  expect(await state.load()).toEqual([{ containerId: 'good', host: '127.0.0.1', port: 5 }])
  expect(errors).toEqual([expect.objectContaining({ file: join(containers, name) })])
  expect(counters.value('proxy.state_files_set_aside')).toBe(1)
  expect(await readdir(containers)).toEqual(['good'])
  const [aside] = await readdir(join(path, 'set-aside'))
  expect(await readFile(join(path, 'set-aside', aside!), 'utf8')).toBe(Buffer.from(content).toString())
  const again = open()
  await again.state.load()
  expect(again.errors).toEqual([])
})

test('a folder, a named pipe and a link to nowhere are set aside and stop nothing', async () => {
  await open().state.save({ containerId: 'good', host: '127.0.0.1', port: 5 })
  await mkdir(join(containers, 'folder'))
  execFileSync('mkfifo', [join(containers, 'pipe')])
  await symlink(join(containers, 'link'), join(containers, 'link'))
  const { state, counters } = open()
  expect(await state.load()).toHaveLength(1)
  expect(counters.value('proxy.state_files_set_aside')).toBe(3)
  expect(await readdir(containers)).toEqual(['good'])
})

// Root may read everything, so there is nothing to see then.
const testUnlessRoot = process.getuid?.() === 0 ? test.skip : test
testUnlessRoot('a file that may not be read is set aside', async () => {
  await open().state.save({ containerId: 'secret', host: '127.0.0.1', port: 5 })
  await chmod(join(containers, 'secret'), 0)
  const { state, counters } = open()
  expect(await state.load()).toEqual([])
  expect(counters.value('proxy.state_files_set_aside')).toBe(1)
})

test('a state folder that is a file is named, and nothing is loaded', async () => {
  await writeFile(containers, '')
  const { state, errors } = open()
  expect(await state.load()).toEqual([])
  expect(errors).toEqual([expect.objectContaining({ folder: containers })])
  await expect(state.save({ containerId: 'one', host: 'h', port: 1 })).rejects.toThrow()
})

test('two ids with the same file name: the first one keeps it', async () => {
  const { state } = open()
  await state.save({ containerId: 'a/b', host: 'h', port: 1 })
  await expect(state.save({ containerId: 'ab', host: 'h', port: 2 })).rejects.toMatchObject({ code: 'DS_CONTAINER_ID' })
  await state.remove('ab')
  expect(await open().state.load()).toEqual([{ containerId: 'a/b', host: 'h', port: 1 }])
})

test('what a killed process was writing is cleared away, what a living one writes is not', async () => {
  await mkdir(join(path, 'tmp'), { recursive: true })
  await writeFile(join(path, 'tmp', 'old'), '{')
  await writeFile(join(path, 'tmp', 'new'), '{')
  await utimes(join(path, 'tmp', 'old'), 1, 1)
  await open().state.load()
  expect(await readdir(join(path, 'tmp'))).toEqual(['new'])
})
