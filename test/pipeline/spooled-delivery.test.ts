import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open as openLmdb } from 'lmdb'
import { encodeDatapoints } from '../../src/codec/datapoints.js'
import { imbalance } from '../../src/model/ledger.js'
import type { MetricList, Tag } from '../../src/model/metric-list.js'
import type { WriteResult } from '../../src/outputs/sink.js'
import { createDelivery, type DeliveryOptions } from '../../src/pipeline/deliver.js'
import { type SpoolOptions, spooledDelivery } from '../../src/pipeline/spooled-delivery.js'
import { createBackoff } from '../../src/platform/backoff.js'
import { systemClock } from '../../src/platform/clock.js'
import { StatsError } from '../../src/platform/errors.js'
import { Counters } from '../../src/telemetry/counters.js'
import { Ledger } from '../../src/telemetry/ledger.js'
import { silentLog } from '../../src/telemetry/log.js'
import { createScriptedSink } from '../support/scripted-sink.js'

const noDeadline = new AbortController().signal
const away: WriteResult = { status: 'retry', cause: new Error('connect ECONNREFUSED') }

let home: string
const running: { abandon(): Promise<void> }[] = []
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'dcos-stats-spool-'))
})
afterEach(async () => {
  for (const one of running.splice(0)) await one.abandon()
  await rm(home, { recursive: true, force: true })
})

/** One life of a collector's output. What its sink answers is in `sink.answers`; with `hangs` it answers nothing. */
async function start(
  over: Partial<SpoolOptions> & { hangs?: boolean; through?: DeliveryOptions['through']; dir?: string } = {},
) {
  const { hangs = false, through = [], ...options } = over
  const sink = createScriptedSink()
  if (hangs)
    sink.write = (_lists, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(away)))
  const ledger = new Ledger('test')
  const counters = new Counters()
  const clock = systemClock
  const windowBytes = options.windowBytes ?? 1024 * 1024
  const inner = createDelivery({
    sink,
    ledger,
    clock,
    log: silentLog,
    backoff: createBackoff({ firstMs: 1, maxMs: 10 }),
    queue: { limitBytes: windowBytes, whenFull: 'wait', dropReason: 'queue_full' },
    pushSettles: 'when_written',
    through,
  })
  const spool = { dir: join(home, 'spool'), limitBytes: 64 * 1024 * 1024, windowBytes, log: silentLog, clock, counters }
  const delivery = spooledDelivery(inner, { ...spool, ...options })
  let ended = false
  const life = {
    sink,
    ledger,
    counters,
    delivery,
    push(...lists: MetricList[]) {
      for (const list of lists) ledger.received += list.datapoints.count
      return delivery.push(lists)
    },
    /** An orderly end, without waiting for a sink that is away. */
    async end(deadline = AbortSignal.abort() as AbortSignal) {
      ended = true
      await delivery.drain(deadline)
      await delivery.close()
    },
    async abandon() {
      if (!ended) await life.end()
    },
    sent: () => sink.written.flatMap((lists) => lists.flatMap(numbersOf)),
    onDisk: () => {
      counters.refresh()
      return counters.value('collector.spool.datapoints')
    },
  }
  running.push(life)
  await delivery.open(noDeadline)
  return life
}

/** A list of numbered datapoints. */
function numbered(from: number, to: number, tags: readonly Tag[] = []): MetricList {
  const points = Array.from({ length: to - from + 1 }, (_, i) => ({
    name: 'n',
    timeMs: 1_700_000_000_000,
    value: from + i,
  }))
  return { topic: 't', tags, datapoints: encodeDatapoints(points) }
}

function numbersOf({ datapoints: { count, bytes } }: MetricList): number[] {
  // A datapoint named `n` with such a time: 2 + 6 bytes, then the value.
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: count }, (_, i) => view.getFloat64(i * 16 + 8, true))
}

function upTo(last: number, first = 1): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

async function until(isSo: () => boolean): Promise<void> {
  const giveUpMs = performance.now() + 20_000
  while (!isSo()) {
    if (performance.now() > giveUpMs) throw new Error('it did not become so within 20 s')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

function expectBalanced(ledger: Ledger) {
  expect({ ...ledger.snapshot(), missing: imbalance(ledger.snapshot()) }).toMatchObject({ missing: 0 })
}

test('lists come out in order, and leave the disk once the sink has taken them', async () => {
  const { push, sent, onDisk, ledger, end } = await start()
  for (let i = 0; i < 100; i++) await push(numbered(i * 10 + 1, i * 10 + 10))
  await until(() => sent().length === 1000 && onDisk() === 0)
  expect(sent()).toEqual(upTo(1000))
  expect(ledger.snapshot()).toEqual({ hop: 'test', received: 1000, forwarded: 1000, dropped: {}, held: 0 })
  await end(noDeadline)
  const next = await start()
  expect(next.ledger.snapshot()).toMatchObject({ received: 0, held: 0 })
})

test('what the sink has not taken is sent by the next process, which counts it as received and says what may be twice', async () => {
  const first = await start({ hangs: true })
  await first.push(numbered(1, 500), numbered(501, 1000, [{ key: 'k', value: 'v' }]))
  await until(() => first.onDisk() === 1000)
  expect(first.ledger.snapshot()).toMatchObject({ received: 1000, forwarded: 0, held: 1000 })
  await first.end()
  expect(first.ledger.snapshot()).toEqual({ hop: 'test', received: 1000, forwarded: 0, dropped: {}, held: 1000 })

  const second = await start()
  await until(() => second.sent().length === 1000)
  expect(second.sent()).toEqual(upTo(1000))
  expect(second.sink.written.flat().map(({ topic, tags }) => [topic, tags])).toEqual([
    ['t', []],
    ['t', [{ key: 'k', value: 'v' }]],
  ])
  await second.end(noDeadline)
  const account = { received: 1000, forwarded: 1000, dropped: {}, held: 0, repeated: 1000 }
  expect(second.ledger.snapshot()).toEqual({ hop: 'test', ...account })
  expect(second.counters.value('collector.spool.datapoints_recovered')).toBe(1000)
})

test('memory holds a window of it, and only a window may be twice', async () => {
  const first = await start({ hangs: true, windowBytes: 100_000 })
  // 16 bytes a datapoint: about 1.6 MB.
  for (let i = 0; i < 1000; i++) await first.push(numbered(i * 100 + 1, i * 100 + 100))
  await until(() => first.onDisk() === 100_000)
  const innerHeld = first.ledger.snapshot().held - 100_000
  expect(innerHeld).toBe(0)
  await first.end()
  const second = await start({ windowBytes: 100_000 })
  await until(() => second.sent().length === 100_000)
  expect(second.sent()).toEqual(upTo(100_000))
  const { repeated = 0 } = second.ledger.snapshot()
  expect(repeated).toBeGreaterThan(100_000 / 16 / 2)
  expect(repeated).toBeLessThan(20_000)
  expectBalanced(second.ledger)
})

test('above the limit the oldest that are not on their way go, counted; the files stay near the limit', async () => {
  const limitBytes = 2 * 1024 * 1024
  const life = await start({ hangs: true, limitBytes, windowBytes: 64 * 1024 })
  for (let i = 0; i < 5000; i++) await life.push(numbered(i * 100 + 1, i * 100 + 100))
  await until(() => life.ledger.snapshot().held === life.onDisk())
  const { received, dropped, held } = life.ledger.snapshot()
  expect(received).toBe(500_000)
  expect(dropped.queue_full).toBe(received - held)
  expect(held * 16).toBeLessThan(limitBytes)
  expect(held * 16).toBeGreaterThan(limitBytes / 2)
  expect((await stat(join(home, 'spool', 'data', 'data.mdb'))).size).toBeLessThan(limitBytes * 1.5)
  await life.end()
  const second = await start()
  await until(() => second.sent().length === held)
  // The newest are all there, and so is what was on its way when there was too much.
  expect(second.sent().slice(-50_000)).toEqual(upTo(500_000, 450_001))
  expect(second.sent()[0]).toBe(1)
})

test('tags are added when lists leave, so they are new after a restart', async () => {
  const tagged = (value: string) => (lists: readonly MetricList[]) =>
    lists.map((list) => ({ ...list, tags: [{ key: 'agent_id', value }] }))
  const first = await start({ hangs: true, through: [tagged('old')] })
  await first.push(numbered(1, 1))
  await until(() => first.onDisk() === 1)
  await first.end()
  const second = await start({ through: [tagged('new')] })
  await until(() => second.sent().length === 1)
  expect(second.sink.written[0]?.[0]?.tags).toEqual([{ key: 'agent_id', value: 'new' }])
})

test('who is over the global limit is dropped before the disk; what was let in once is not asked about again', async () => {
  const asked: string[] = []
  const admission = {
    keyOf: ({ topic }: MetricList) => topic,
    admit: ({ key, lists }: { key: string; lists: number }) => {
      asked.push(`${key} ${lists}`)
      return key !== 'over'
    },
  }
  const first = await start({ hangs: true, admission })
  await first.push(numbered(1, 2), { ...numbered(3, 4), topic: 'over' }, numbered(5, 6))
  expect(asked).toEqual(['t 2', 'over 1'])
  await until(() => first.onDisk() === 4)
  expect(first.ledger.snapshot()).toMatchObject({ dropped: { global_limit: 2 }, held: 4 })
  await first.end()
  const second = await start({ admission: { ...admission, admit: () => false } })
  await until(() => second.sent().length === 4)
  expectBalanced(second.ledger)
})

test('a sink that can never work again ends it, and everything stays on disk', async () => {
  const first = await start()
  const refused = new StatsError('DS_BUS_AUTH', 'refused', { exitCode: 69 })
  first.sink.answers.push(() => {
    throw refused
  })
  await first.push(numbered(1, 10))
  await expect(first.delivery.ended).rejects.toBe(refused)
  await first.end()
  expect(first.ledger.snapshot()).toMatchObject({ received: 10, forwarded: 0, dropped: {}, held: 10 })
  const second = await start()
  await until(() => second.sent().length === 10)
})

test('an orderly end sends what the sink takes', async () => {
  const life = await start({ windowBytes: 10_000 })
  for (let i = 0; i < 200; i++) await life.push(numbered(i * 100 + 1, i * 100 + 100))
  await life.end(noDeadline)
  expect(life.sent()).toEqual(upTo(20_000))
  expect(life.ledger.snapshot()).toMatchObject({ forwarded: 20_000, held: 0 })
})

test('what comes after the end is counted, not kept', async () => {
  const life = await start()
  await life.end(noDeadline)
  await life.push(numbered(1, 3))
  expect(life.ledger.snapshot()).toMatchObject({ received: 3, dropped: { queue_full: 3 }, held: 0 })
})

test('an entry that is damaged on disk is dropped and counted, and the others come through', async () => {
  const first = await start({ hangs: true })
  for (const from of [1, 11, 21]) {
    await first.push(numbered(from, from + 9))
    await until(() => first.onDisk() === from + 9)
  }
  await first.end()
  const root = openLmdb({ path: join(home, 'spool', 'data'), noSubdir: false, maxDbs: 4 })
  const entries = root.openDB<Buffer, Buffer>({ name: 'entries', encoding: 'binary', keyEncoding: 'binary' })
  const keys = [...entries.getKeys()].map((key) => Buffer.from(key))
  expect(keys).toHaveLength(3)
  await entries.put(keys[1] as Buffer, Buffer.from('no container file'))
  await root.close()

  const second = await start()
  await until(() => second.sent().length === 20 && second.onDisk() === 0)
  expect(second.sent()).toEqual([...upTo(10), ...upTo(30, 21)])
  expect(second.ledger.snapshot()).toMatchObject({ received: 30, forwarded: 20, dropped: { undecodable: 10 }, held: 0 })
})

describe('a directory', () => {
  test.each<[what: string, prepare: (dir: string) => Promise<unknown>, code: string, message: RegExp]>([
    [
      'with something else in it',
      async (dir) => {
        await mkdir(dir)
        await writeFile(join(dir, 'letters.txt'), '')
      },
      'DS_SPOOL_FOREIGN',
      /is no spool: it holds letters\.txt.*--spool-dir/,
    ],
    [
      'of the embedded bus',
      async (dir) => {
        await mkdir(dir)
        await writeFile(join(dir, 'dcos-stats-bus.json'), '{}')
      },
      'DS_SPOOL_FOREIGN',
      /it holds dcos-stats-bus\.json/,
    ],
    [
      'whose format file is of something else',
      async (dir) => {
        await mkdir(dir)
        await writeFile(join(dir, 'dcos-stats-spool.json'), '"x"')
      },
      'DS_SPOOL_FOREIGN',
      /is of something else/,
    ],
    [
      'of a newer version',
      async (dir) => {
        await mkdir(dir)
        await writeFile(join(dir, 'dcos-stats-spool.json'), '{"format":"dcos-stats spool","version":2}')
      },
      'DS_SPOOL_NEWER',
      /newer dcos-stats \(spool format 2, this one knows 1\).*Upgrade/,
    ],
    ['that is a file', (dir) => writeFile(dir, ''), 'DS_SPOOL_UNUSABLE', /EEXIST.*--spool-dir/],
    [
      'whose database is none',
      async (dir) => {
        await mkdir(join(dir, 'data'), { recursive: true })
        await writeFile(join(dir, 'dcos-stats-spool.json'), '{"format":"dcos-stats spool","version":1}')
        await writeFile(join(dir, 'data', 'data.mdb'), Buffer.alloc(65_536, 7))
      },
      'DS_SPOOL_UNUSABLE',
      /data\.mdb is damaged, or no database: move it away.*--spool-dir/,
    ],
  ])('%s is refused', async (_what, prepare, code, message) => {
    const dir = join(home, 'given')
    await prepare(dir)
    await expect(start({ dir })).rejects.toMatchObject({ code, exitCode: 78, message: expect.stringMatching(message) })
  })

  test('that is new, or a fresh file system, is made a spool', async () => {
    const dir = join(home, 'deep', 'down')
    await mkdir(join(dir, 'lost+found'), { recursive: true })
    await start({ dir })
    expect((await readdir(dir)).sort()).toEqual(['data', 'dcos-stats-spool.json', 'lost+found', 'members'])
  })

  test('that another collector uses is refused, and free again after its end', async () => {
    const first = await start()
    await expect(start()).rejects.toMatchObject({
      code: 'DS_SPOOL_TAKEN',
      exitCode: 78,
      message: expect.stringContaining(`the process ${process.pid} uses it. Give each collector its own --spool-dir`),
    })
    await first.push(numbered(1, 3))
    await until(() => first.sent().length === 3)
    await first.end(noDeadline)
    await start()
  })

  test('whose owner was in another container is taken over when that shows no sign of life', async () => {
    const first = await start({ hangs: true })
    await first.push(numbered(1, 3))
    await until(() => first.onDisk() === 3)
    await first.end()
    await pretendOwner({ pid: 1, startTicks: '1', space: 'elsewhere' })
    const startedMs = performance.now()
    const second = await start({ leaseMs: 600 })
    expect(performance.now() - startedMs).toBeGreaterThan(500)
    await until(() => second.sent().length === 3)
  })

  test('that was taken over meanwhile is not written any more', async () => {
    const life = await start()
    await pretendOwner({ pid: 1, startTicks: '1', space: 'elsewhere' })
    await life.push(numbered(1, 3))
    await expect(life.delivery.ended).rejects.toMatchObject({ code: 'DS_SPOOL_TAKEN', exitCode: 78 })
    await life.end()
    expect(life.ledger.snapshot()).toMatchObject({ received: 3, forwarded: 0, dropped: { queue_full: 3 }, held: 0 })
  })
})

/** Writes down another owner, as a process elsewhere would. */
async function pretendOwner(process: object): Promise<void> {
  const root = openLmdb({ path: join(home, 'spool', 'data'), noSubdir: false, maxDbs: 4 })
  const owner = root.openDB<Buffer, Buffer>({
    name: 'owner',
    encoding: 'binary',
    keyEncoding: 'binary',
    useVersions: true,
  })
  const version = owner.getEntry(Buffer.from('owner'))?.version ?? 0
  await writeFile(join(home, 'spool', 'members', 'somebody'), '')
  await owner.put(
    Buffer.from('owner'),
    Buffer.from(JSON.stringify({ id: 'somebody', process, window: 0 })),
    version + 1,
  )
  await root.close()
}
