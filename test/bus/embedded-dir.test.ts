import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messagesOf, numbersOf, startReader, uniqueName, upTo } from '../support/bus-contract.js'
import { makeTempBus, type TempBus } from '../support/temp-bus.js'

const never = new AbortController().signal
let temp: TempBus

beforeEach(async () => {
  temp = await makeTempBus()
})
afterEach(() => temp.remove())

test('several drivers of one process share a directory, in any order of opening and closing', async () => {
  const [one, two] = [temp.create(), temp.create()]
  await Promise.all([one.open(never), two.open(never)])
  await one.publish('t', messagesOf(5))
  await one.close()
  await two.publish('t', messagesOf(5, 16, 5))
  const closing = two.close()
  const three = temp.create()
  await Promise.all([closing, three.open(never)])
  const reader = startReader(three, { topics: ['t'], group: uniqueName('g') })
  expect(numbersOf(await reader.until(10))).toEqual(upTo(10))
  await reader.stop()
  await three.close()
})

test('a directory that was made empty beforehand, as a mount point is, is taken', async () => {
  await mkdir(join(temp.dir, 'lost+found'), { recursive: true })
  await expect(temp.open()).resolves.toBeDefined()
})

test('a publish that is under way when the driver is closed ends as acknowledged or refused, never in between', async () => {
  const bus = await temp.open()
  const published = bus.publish('t', messagesOf(100))
  await bus.close()
  await published
  const reader = startReader(await temp.open(), { topics: ['t'], group: uniqueName('g') })
  expect((await reader.until(100)).length).toBe(100)
  await reader.stop()
})

describe('directories that are refused', () => {
  test.each([
    ['one with files of somebody else', { 'notes.txt': 'mine' }, 'DS_BUS_FOREIGN', /notes\.txt/],
    ['one of a newer program', formatFile({ version: 4, partitions: 8 }), 'DS_BUS_NEWER', /Upgrade/],
    ['one from before the first release', formatFile({ version: 1, partitions: 8 }), 'DS_BUS_OLDER', /Move it away/],
    ['one from shortly before it', formatFile({ version: 2, partitions: 8 }), 'DS_BUS_OLDER', /Move it away/],
    ['one whose format file is broken', { 'dcos-stats-bus.json': '{' }, 'DS_BUS_FOREIGN', /not JSON/],
    [
      'one whose format file says something else',
      { 'dcos-stats-bus.json': '{"format": 1}' },
      'DS_BUS_FOREIGN',
      /something else/,
    ],
    ['one whose format file is incomplete', formatFile({ version: 3 }), 'DS_BUS_FOREIGN', /partitions/],
  ])('%s', async (_what, files: Record<string, string>, code, message) => {
    await mkdir(temp.dir)
    for (const [name, text] of Object.entries(files)) await writeFile(join(temp.dir, name), text)
    await expect(temp.open()).rejects.toMatchObject({
      code,
      exitCode: 78,
      message: expect.stringMatching(new RegExp(`${temp.dir}.*${message.source}.*`)),
    })
    expect((await readdir(temp.dir)).sort()).toEqual(Object.keys(files).sort())
  })

  test.each(['index', 'groups'])('one whose %s is no database any more', async (name) => {
    const bus = await temp.open()
    await bus.publish('t', messagesOf(1))
    await bus.close()
    const file = join(temp.dir, name, 'data.mdb')
    await writeFile(file, Buffer.alloc(10_000, 'x'))
    await expect(temp.open()).rejects.toMatchObject({
      code: 'DS_BUS_DAMAGED',
      exitCode: 78,
      message: expect.stringMatching(new RegExp(`${file} is damaged.*--bus-dir`)),
    })
    expect((await readFile(file)).every((byte) => byte === 120)).toBe(true)
  })

  test('a file in its place', async () => {
    await writeFile(temp.dir, '')
    await expect(temp.open()).rejects.toMatchObject({ code: 'DS_BUS_UNWRITABLE', exitCode: 78 })
  })

  test('one in which this user may not write, empty or in use', async () => {
    for (const used of [false, true]) {
      if (used) await (await temp.open()).close()
      else await mkdir(temp.dir)
      const release = await forbidWriting(temp.dir)
      await expect(temp.open()).rejects.toMatchObject({
        code: 'DS_BUS_UNWRITABLE',
        exitCode: 78,
        message: expect.stringContaining('--bus-dir'),
      })
      await release()
      await rm(temp.dir, { recursive: true })
    }
  })
})

test.each([
  '',
  'a b',
  'a/b',
  '.',
  '..',
  'ü',
  'x'.repeat(250),
])('the topic "%s" is refused for good, the bus stays usable', async (topic) => {
  const bus = await temp.open()
  await expect(bus.publish(topic, messagesOf(1))).rejects.toMatchObject({
    code: 'DS_BUS_TOPIC_INVALID',
    exitCode: undefined,
  })
  await bus.publish('t', messagesOf(1))
})

// Root may write wherever the file system can be written.
async function forbidWriting(dir: string): Promise<() => Promise<unknown>> {
  if (process.getuid?.() === 0) {
    execFileSync('mount', ['--bind', dir, dir])
    execFileSync('mount', ['-o', 'remount,ro,bind', dir])
    return async () => execFileSync('umount', [dir])
  }
  await chmod(dir, 0o555)
  return () => chmod(dir, 0o755)
}

function formatFile(fields: object): Record<string, string> {
  return { 'dcos-stats-bus.json': JSON.stringify({ format: 'dcos-stats embedded bus', ...fields }) }
}
