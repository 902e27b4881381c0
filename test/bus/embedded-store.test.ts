import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Env } from '../../src/bus/embedded-env.js'
import { encodeMessage, indexKey, runKey, segmentKey, stampRecord } from '../../src/bus/embedded-records.js'
import { segmentPath } from '../../src/bus/embedded-segments.js'
import { type SharedDir, shareDir } from '../../src/bus/embedded-shared.js'
import { type Found, Store } from '../../src/bus/embedded-store.js'
import { systemClock } from '../../src/platform/clock.js'
import { silentLog } from '../../src/telemetry/log.js'

let dir: string
let shared: SharedDir
const stores: Store[] = []

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'store-'))
  shared = await shareDir({ dir, clock: systemClock, log: silentLog, leaseMs: 10_000 })
})
afterEach(async () => {
  for (const store of stores.splice(0)) store.close()
  await shared.release()
  await rm(dir, { recursive: true })
})

const partition = { topicId: 0, partition: 4 }

async function publish(...texts: string[]): Promise<void> {
  await shared.writer.append(
    't',
    texts.map((text) => ({ key: 'a', bytes: Buffer.from(text) })),
  )
}

/** A reader; `onRefresh` is what another process does just before a look at the newest snapshot. */
function reader(onRefresh: () => void = () => {}): Store {
  const env: Env = Object.assign(Object.create(shared.env), {
    refresh() {
      onRefresh()
      shared.env.refresh()
    },
  })
  const store = new Store(env, shared.store.partitions)
  stores.push(store)
  store.refresh()
  return store
}

function textsOf(found: Found | undefined): string[] | undefined {
  return found?.messages.map(({ bytes }) => String(bytes))
}

/** What retention commits when the segment's only run goes. */
function removeSegment(): void {
  const { env } = shared
  env.segments.removeSync(segmentKey(0))
  env.runs.removeSync(runKey(0))
  env.index.removeSync(indexKey(partition, 0n))
}

test('messages are found by their offset, to the end of what was published with them', async () => {
  await publish('0', '1', '2')
  await publish('3')
  const store = reader()
  expect([0n, 1n, 3n].map((offset) => textsOf(store.read('t', partition, offset)))).toEqual([
    ['0', '1', '2'],
    ['1', '2'],
    ['3'],
  ])
  expect(store.read('t', partition, 1n)?.end).toBe(3n)
  expect(store.read('t', partition, 4n)).toBeUndefined()
})

test.each([
  ['not open yet', false],
  ['open for a read before', true],
])('a file that is written over before it is read gives nothing: %s', async (_what, isOpen) => {
  await publish('mine')
  let isNext = false
  const store = reader(() => {
    if (isNext) removeSegment()
  })
  if (isOpen) expect(textsOf(store.read('t', partition, 0n))).toEqual(['mine'])
  // Even such messages as would be the segment's own: no mark in them may be what decides.
  const theirs = encodeMessage({ key: 'a', bytes: Buffer.from('them') })
  stampRecord(theirs, 0)
  await writeFile(segmentPath(dir, 0), theirs)
  store.refresh()
  isNext = true
  expect(store.read('t', partition, 0n)).toBeUndefined()
  // And what is appended then is found.
  isNext = false
  await publish('next')
  expect(textsOf(store.read('t', partition, store.oldest(partition)))).toEqual(['next'])
})
