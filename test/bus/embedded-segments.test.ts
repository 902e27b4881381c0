import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Run } from '../../src/bus/embedded-records.js'
import {
  makeSegmentFolder,
  removeSegmentFile,
  SegmentFile,
  SegmentReader,
  segmentPath,
  segmentsOnDisk,
} from '../../src/bus/embedded-segments.js'

let dir: string
const files: SegmentFile[] = []

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'segments-'))
  makeSegmentFolder(dir)
})
afterEach(async () => {
  for (const file of files.splice(0)) await file.close()
  await rm(dir, { recursive: true })
})

async function create(segment: number): Promise<SegmentFile> {
  const file = await SegmentFile.create(dir, segment)
  files.push(file)
  return file
}

function runAt(segment: number, position: number, bytes: number): Run {
  return { topicId: 0, partition: 0, firstOffset: 0n, count: 1, timeMs: 0, segment, position, bytes }
}

test('records of every size lie behind each other in the order in which they were given', async () => {
  const file = await create(1)
  const sizes = [0, 1, 5000, 10, 20, 2048, 2047, 1_000_000, 3]
  const records = sizes.map((size, at) => Buffer.alloc(size, at + 1))
  await file.write(records)
  expect((await readFile(segmentPath(dir, 1))).equals(Buffer.concat(records))).toBe(true)
})

test('what was not confirmed is written over by what comes next', async () => {
  const file = await create(1)
  await file.write([Buffer.from('first')])
  file.advance(5)
  await file.write([Buffer.from('refused')])
  await file.write([Buffer.from('second')])
  file.advance(6)
  expect(file.position).toBe(11)
  const reader = new SegmentReader(dir)
  expect(String(reader.read(runAt(1, 0, 5)))).toBe('first')
  expect(String(reader.read(runAt(1, 5, 6)))).toBe('second')
  reader.close()
})

test('more buffers than the kernel takes at once', async () => {
  const file = await create(1)
  const records = Array.from({ length: 3000 }, (_, at) => Buffer.alloc(2048, at))
  await file.write(records)
  expect((await readFile(segmentPath(dir, 1))).equals(Buffer.concat(records))).toBe(true)
})

test('a run that is cut off is read as far as it goes; a segment without a file is none', async () => {
  await (await create(7)).write([Buffer.from('abc')])
  const reader = new SegmentReader(dir)
  expect(String(reader.read(runAt(7, 1, 10)))).toBe('bc')
  expect(reader.read(runAt(8, 0, 10))).toBeUndefined()
  reader.close()
})

test('any number of segments can be read in turn', async () => {
  for (let segment = 0; segment < 40; segment++) await (await create(segment)).write([Buffer.from(`s${segment % 10}`)])
  const reader = new SegmentReader(dir)
  for (let at = 0; at < 120; at++) expect(String(reader.read(runAt(at % 40, 0, 2)))).toBe(`s${at % 10}`)
  reader.close()
})

test('the segments on disk are told; one that was removed is gone once it is let go of', async () => {
  for (const segment of [3, 12_345_678_901]) await (await create(segment)).write([Buffer.from('x')])
  expect((await segmentsOnDisk(dir)).sort((a, b) => a - b)).toEqual([3, 12_345_678_901])
  const reader = new SegmentReader(dir)
  reader.read(runAt(3, 0, 1))
  await removeSegmentFile(dir, 3)
  expect(String(reader.read(runAt(3, 0, 1)))).toBe('x')
  reader.keep((segment) => segment !== 3)
  expect(reader.read(runAt(3, 0, 1))).toBeUndefined()
  expect(await segmentsOnDisk(dir)).toEqual([12_345_678_901])
  await removeSegmentFile(dir, 3)
})

test('a segment is never made twice', async () => {
  await create(1)
  await expect(SegmentFile.create(dir, 1)).rejects.toMatchObject({ code: 'EEXIST' })
})

describe('the file of a former segment', () => {
  async function reuse(text: string, maxBytes = 100): Promise<SegmentFile> {
    await writeFile(segmentPath(dir, 1), text)
    return SegmentFile.reuse(dir, { former: 1, segment: 2, maxBytes })
  }

  async function content(): Promise<string> {
    return readFile(segmentPath(dir, 2), 'latin1')
  }

  test('ends behind the last write', async () => {
    const file = await reuse('0123456789')
    files.push(file)
    await file.write([Buffer.from('ab')])
    expect(await content()).toBe('ab23456789')
    file.advance(2)
    await file.write([Buffer.from('cd')], true)
    expect(await content()).toBe('abcd')
  })

  test('ends behind what was written when it is closed, confirmed or not', async () => {
    const file = await reuse('0123456789')
    await file.write([Buffer.from('ab')])
    file.advance(2)
    await file.write([Buffer.from('refused')])
    await file.write([Buffer.from('cd')])
    await file.close()
    expect(await content()).toBe('abcdfused')
  })

  test('is left alone after the last write, since another process may use it then', async () => {
    const file = await reuse('0123456789')
    await file.write([Buffer.from('ab')], true)
    await writeFile(segmentPath(dir, 2), 'of another process')
    await file.close()
    expect(await content()).toBe('of another process')
  })

  test('grows where the new one is larger', async () => {
    const file = await reuse('0123')
    await file.write([Buffer.from('abcdef')], true)
    await file.close()
    expect(await content()).toBe('abcdef')
  })
})
