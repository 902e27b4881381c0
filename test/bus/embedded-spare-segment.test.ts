import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeSegmentFolder, type SegmentFile, segmentPath, segmentsOnDisk } from '../../src/bus/embedded-segments.js'
import { SpareSegment } from '../../src/bus/embedded-spare-segment.js'

let dir: string
let spare: SpareSegment
const files: (SegmentFile | undefined)[] = []

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'spare-'))
  makeSegmentFolder(dir)
  for (const segment of [1, 2]) await writeFile(segmentPath(dir, segment), 'old messages')
  spare = new SpareSegment(dir)
  spare.expectUse()
})
afterEach(async () => {
  for (const file of files.splice(0)) await file?.close()
  await rm(dir, { recursive: true })
})

async function take(segment: number, maxBytes = 1000): Promise<SegmentFile | undefined> {
  const file = await spare.take(segment, maxBytes)
  files.push(file)
  return file
}

async function inode(segment: number): Promise<number> {
  return (await stat(segmentPath(dir, segment))).ino
}

test('the file becomes that of the next segment, which is written from its front', async () => {
  const before = await inode(1)
  expect(spare.keep(1)).toBe(true)
  expect([spare.has(1), spare.has(2)]).toEqual([true, false])
  const file = await take(3)
  expect(file).toMatchObject({ segment: 3, position: 0 })
  expect(await inode(3)).toBe(before)
  expect((await segmentsOnDisk(dir)).sort()).toEqual([2, 3])
  await file?.write([Buffer.from('new')])
  expect(await readFile(segmentPath(dir, 3), 'latin1')).toBe('new messages')
})

test('there is one at most, and it is used once', async () => {
  expect(spare.keep(1)).toBe(true)
  expect(spare.keep(2)).toBe(false)
  await take(3)
  expect(spare.has(1)).toBe(false)
  expect(await take(4)).toBeUndefined()
  expect(spare.keep(2)).toBe(true)
})

test('what a segment does not grow to goes back to the disk', async () => {
  spare.keep(1)
  await take(3, 5)
  expect(await readFile(segmentPath(dir, 3), 'latin1')).toBe('old m')
})

test('one that another process removed is none, and nothing is in the place of the new segment', async () => {
  spare.keep(1)
  await rm(segmentPath(dir, 1))
  expect(await take(3)).toBeUndefined()
  expect(await segmentsOnDisk(dir)).toEqual([2])
})

test('one that cannot be opened under its new name does not stay there', async () => {
  await rm(segmentPath(dir, 1))
  await symlink('nowhere', segmentPath(dir, 1))
  spare.keep(1)
  expect(await take(3)).toBeUndefined()
  expect(await segmentsOnDisk(dir)).toEqual([2])
})

test('it can be given back at any time; then there is room for another', async () => {
  expect(await spare.discard()).toBe(false)
  spare.keep(1)
  expect(await spare.discard()).toBe(true)
  expect(await segmentsOnDisk(dir)).toEqual([2])
  expect(spare.keep(2)).toBe(true)
})

test('none is kept where no use is expected, and it goes where none was for a while', async () => {
  await spare.discardIfIdle()
  expect(spare.keep(1)).toBe(false)
  spare.expectUse()
  expect(spare.keep(1)).toBe(true)
  await spare.discardIfIdle()
  expect(await segmentsOnDisk(dir)).toContain(1)
  await spare.discardIfIdle()
  expect(await segmentsOnDisk(dir)).toEqual([2])
})

test('once closed it keeps nothing', async () => {
  spare.keep(1)
  await spare.close()
  expect(spare.keep(2)).toBe(false)
  expect(await segmentsOnDisk(dir)).toEqual([2])
})
