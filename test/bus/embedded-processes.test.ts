import { execFileSync } from 'node:child_process'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { numbersOf, startReader, uniqueName, upTo, waitFor } from '../support/bus-contract.js'
import { type BusProcess, type BusRole, range, startBusProcess, type Words } from '../support/bus-processes.js'
import { makeTempBus, type TempBus } from '../support/temp-bus.js'

// Processes of their own, ended as hard as a machine can end them.

let built: BuiltCli
let temp: TempBus
const processes: BusProcess[] = []

beforeAll(async () => {
  built = await buildCli()
}, 60_000)
beforeEach(async () => {
  temp = await makeTempBus()
})
afterEach(async () => {
  await Promise.all(processes.splice(0).map((one) => one.end('SIGKILL')))
  await temp.remove()
})
afterAll(() => built.remove())

describe('publishing', () => {
  test('every message that was acknowledged is found after SIGKILL in the middle of publishing, five times over', async () => {
    const topic = 'metrics-kill'
    const acknowledged: number[] = []
    for (let round = 0; round < 5; round++) {
      const publisher = start('publish', { topic, first: round * 1_000_000, bytes: 2000 * round, inFlight: 8 })
      await publisher.until((said) => said.filter(({ acked }) => acked).length >= 20 + round * 7)
      expect(await publisher.end('SIGKILL')).toBe('SIGKILL')
      acknowledged.push(...publisher.numbers())
    }
    const bus = await temp.open()
    const reader = startReader(bus, { topics: [topic], group: uniqueName('g') })
    await waitFor(() => containsAll(firstNumbers(reader.messages), acknowledged))
    expect(acknowledged.length).toBeGreaterThanOrEqual(5 * 200)
    await reader.stop()
  })

  test('two processes publish to the same topic: everything is there once, offsets without gaps', async () => {
    const topic = 'metrics-two'
    const both = [0, 1].map((at) => start('publish', { topic, first: at * 1000, total: 1000, batch: 7 }))
    for (const one of both) await one.until((said) => said.some((words) => 'closed' in words))
    const reader = startReader(await temp.open(), { topics: [topic], group: uniqueName('g') })
    expect(numbersOf(await reader.until(2000))).toEqual(upTo(2000))
    for (let partition = 0; partition < 8; partition++) {
      const offsets = reader.messages.filter((message) => message.partition === partition).map(({ offset }) => offset)
      expect(offsets).toEqual(offsets.map((_, at) => BigInt(at)))
    }
    await reader.stop()
  })
})

test('two processes write over files of which a third still reads: what that gets was published, whole, and comes once', async () => {
  const topic = 'metrics-over'
  const options = { retentionMbytes: 1 }
  const reader = start('consume', {
    topics: [topic],
    group: 'over',
    delayMs: 3,
    options: { batchLimits: { messages: 50 } },
  })
  const writers = [0, 1].map((at) =>
    start('publish', { topic, first: at * 1_000_000, total: 6000, batch: 10, bytes: 2000, options }),
  )
  for (const one of writers) await one.until((said) => said.some((words) => 'closed' in words))
  await committedAll(reader)
  const numbers = reader.numbers()
  expect(new Set(numbers).size).toBe(numbers.length)
  expect(containsAll([...upTo(6000), ...upTo(6000, 1_000_000)], numbers)).toBe(true)
  const told = reader.said.filter(({ level }) => level === 'error').map(({ args }) => String(args?.[1]))
  expect(told.filter((text) => !text.includes('removed by retention'))).toEqual([])
  expect(numbers.length).toBeGreaterThan(200)
})

test.each([
  1, 2, 3,
])('six processes begin on a new directory at the same moment: everything is there, and no draft is left (%i)', async () => {
  const publishers = upTo(6).map((at) =>
    start('publish', { topic: `metrics-${at % 2}`, first: at * 1000, total: 200, batch: 10 }),
  )
  for (const one of publishers) await one.until((said) => said.some((words) => 'closed' in words))
  const reader = startReader(await temp.open(), { topics: /metrics-.*/, group: uniqueName('g') })
  expect(numbersOf(await reader.until(1200))).toEqual(upTo(6).flatMap((at) => upTo(200, at * 1000)))
  await reader.stop()
  expect((await readdir(temp.dir)).sort()).toEqual([
    ...['dcos-stats-bus.json', 'groups', 'index', 'members', 'segments', 'wake'],
  ])
})

describe('groups', () => {
  test('two processes of one group share the work; two groups each get everything', async () => {
    const topic = 'metrics-share'
    const pair = [
      start('consume', { topics: [topic], group: 'pair' }),
      start('consume', { topics: [topic], group: 'pair' }),
    ]
    const other = start('consume', { topics: [topic], group: 'other' })
    const publisher = start('publish', { topic, batch: 20, inFlight: 1 })
    for (const one of pair) await one.until(() => one.numbers().length > 200)
    await publisher.end()
    const sent = publisher.numbers()
    await waitFor(
      () =>
        containsAll(
          pair.flatMap((one) => one.numbers()),
          sent,
        ) && containsAll(other.numbers(), sent),
    )
    expect(other.numbers()).toHaveLength(sent.length)
    // What was on its way while the partitions were shared out anew may come twice; nothing after that.
    const late = sent.filter((number) => number > (sent.at(-1) ?? 0) / 2)
    expect(pair.flatMap((one) => one.numbers()).filter((number) => late.includes(number))).toHaveLength(late.length)
  })

  test('a killed member is replaced within two seconds, and repeats are bounded by its last batch', async () => {
    const topic = 'metrics-takeover'
    const settings = { topics: [topic], group: 'takeover', options: { batchLimits: { messages: 10 } }, delayMs: 5 }
    const [doomed, survivor] = [start('consume', settings), start('consume', settings)]
    const publisher = start('publish', { topic, total: 400, batch: 1, inFlight: 1 })
    for (const one of [doomed, survivor]) await one.until(() => one.numbers().length >= 20)
    await doomed.end('SIGKILL')
    const killedAtMs = Date.now()
    const before = new Set(survivor.numbers())
    await publisher.until((said) => said.some((words) => 'closed' in words))
    const publishedMs = Date.now() - killedAtMs
    await survivor.until(() => containsAll([...doomed.numbers(), ...survivor.numbers()], upTo(400)))
    const tookMs = Date.now() - killedAtMs - publishedMs
    const twice = survivor.numbers().filter((number) => !before.has(number) && doomed.numbers().includes(number))
    expect(twice.length).toBeLessThanOrEqual(10)
    expect(tookMs).toBeLessThan(5000)
  })

  test('a consumer killed again and again goes on where it had committed: nothing missing, few repeats', async () => {
    const topic = 'metrics-restart'
    const publisher = start('publish', { topic, total: 3000, batch: 30 })
    await publisher.until((said) => said.some((words) => 'closed' in words))
    const got: number[] = []
    for (let round = 0; round < 4; round++) {
      const settings = { topics: [topic], group: 'restart', options: { batchLimits: { messages: 50 } }, delayMs: 2 }
      const consumer = start('consume', settings)
      await consumer.until(() => consumer.numbers().length >= 400)
      await consumer.end('SIGKILL')
      got.push(...consumer.numbers())
    }
    const last = start('consume', { topics: [topic], group: 'restart' })
    await last.until(() => containsAll([...got, ...last.numbers()], upTo(3000)))
    expect(got.length + last.numbers().length - 3000).toBeLessThanOrEqual(4 * 50)
  })

  test('a member that is stopped (not dead) loses its partitions when its lease ends, and does no harm when it comes back', async () => {
    const topic = 'metrics-stopped'
    const settings = { topics: [topic], group: 'stopped', options: { leaseMs: 2500 } }
    const [sleeper, other] = [start('consume', settings), start('consume', settings)]
    const publisher = start('publish', { topic, batch: 16, inFlight: 1, total: 160_000 })
    for (const one of [sleeper, other]) await one.until(() => one.numbers().length >= 20)
    await publisher.end()
    const sent = publisher.numbers()
    await waitFor(() => containsAll([...sleeper.numbers(), ...other.numbers()], sent))
    const bus = await temp.open()
    await committedAll(sleeper)
    sleeper.child.kill('SIGSTOP')
    const more = range([1_000_000, 64]).map((number) => ({ key: `key-${number}`, bytes: Buffer.from(String(number)) }))
    await bus.publish(topic, more)
    await other.until(() => containsAll(other.numbers(), range([1_000_000, 64])))
    // What comes back finds out that its share is gone, and takes a new one.
    sleeper.child.kill('SIGCONT')
    const yetMore = more.map(({ key }, at) => ({ key, bytes: Buffer.from(String(2_000_000 + at)) }))
    await bus.publish(topic, yetMore)
    await waitFor(() => containsAll([...sleeper.numbers(), ...other.numbers()], range([2_000_000, 64])))
    expect(sleeper.numbers().filter((number) => number >= 1_000_000 && number < 2_000_000)).toEqual([])
  })

  test('a topic that appeared while every consumer was down is read from its beginning, also with "latest"', async () => {
    const settings = { pattern: 'metrics-.*', group: 'down', from: 'latest' }
    const first = start('consume', settings)
    const bus = await temp.open()
    await bus.publish('metrics-old', numbered(0, 10))
    await waitFor(async () => {
      await bus.publish('metrics-old', numbered(500, 1))
      return first.numbers().includes(500)
    })
    await first.end('SIGKILL')
    await bus.publish('metrics-new', numbered(1000, 50))
    const second = start('consume', settings)
    await second.until(() => containsAll(second.numbers(), range([1000, 50])))
  })
})

describe('a full disk', () => {
  const smallDisks: [what: string, prepare: (dir: string) => Promise<SmallDisk>][] = [
    ['a file that may not grow', limitFileSize],
  ]
  if (canMount()) smallDisks.push(['a disk without room', mountSmallDisk])

  test.each(
    smallDisks,
  )('%s: publishing is refused with a reason and may be tried again; what was acknowledged is all there', async (_what, prepare) => {
    const { wrapper, restore } = await prepare(temp.dir)
    try {
      const topic = 'metrics-full'
      const publisher = start('publish', { topic, batch: 1, bytes: 300_000, inFlight: 2, tries: 3 }, wrapper)
      await publisher.until((said) => said.some((words) => 'closed' in words))
      const failures = publisher.said.filter(({ failed }) => failed)
      expect(failures.length).toBeGreaterThanOrEqual(3)
      for (const failure of failures) {
        expect(failure.exitCode).toBeUndefined()
        expect(failure.code).toMatch(/^DS_BUS_(FULL|WRITE_FAILED)$/)
        expect(failure.message).toContain(temp.dir)
      }
      // Nobody has made room yet: a reader must get at what is there all the same.
      const reader = startReader(await temp.open(), { topics: [topic], group: uniqueName('g') })
      const acknowledged = publisher.numbers()
      expect(acknowledged.length).toBeGreaterThan(5)
      await reader.until(acknowledged.length)
      expect(firstNumbers(reader.messages).sort((a, b) => a - b)).toEqual(acknowledged.sort((a, b) => a - b))
      await reader.stop()
    } finally {
      await temp.remove().catch(() => {})
      await restore()
      temp = await makeTempBus()
    }
  })

  test('retention makes room for new messages in a file that may not grow', async () => {
    const { wrapper } = await limitFileSize(temp.dir)
    const options = { retentionMbytes: 2 }
    const publisher = start(
      'publish',
      { topic: 't', batch: 1, bytes: 100_000, inFlight: 1, total: 300, options },
      wrapper,
    )
    await publisher.until((said) => said.some((words) => 'closed' in words))
    expect(publisher.said.filter(({ failed }) => failed)).toEqual([])
    expect(publisher.numbers()).toHaveLength(300)
  })
})

test('a waiting reader in another process is woken in under 50 ms', async () => {
  const topic = 'metrics-wake'
  const reader = start('latency', { topic, group: 'wake' })
  const bus = await temp.open()
  const latencies = () => reader.said.flatMap(({ latencyNs }) => latencyNs ?? []).map((ns) => ns / 1e6)
  const rounds = 120
  for (let round = 1; round <= rounds; round++) {
    await bus.publish(topic, [{ key: 'k', bytes: Buffer.from(String(process.hrtime.bigint())) }])
    await reader.until(() => latencies().length >= round)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const sorted = latencies()
    .slice(-100)
    .sort((a, b) => a - b)
  const [p50 = 0, p99 = 0] = [sorted[50], sorted[98]]
  process.stderr.write(`wake-up of a reader in another process: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms\n`)
  expect(p50).toBeLessThan(50)
})

/**
 * Resolves when a reader has committed all it had to read, so that it writes nothing. Stopped in the middle of a write it would
 * keep LMDB's lock, and everybody else, this process too, would wait for it to come back.
 */
async function committedAll(reader: BusProcess): Promise<void> {
  let lag: number | undefined
  while (lag !== 0) {
    const before = reader.said.length
    reader.child.kill('SIGUSR2')
    const answerOf = (said: readonly Words[]) => said.slice(before).find((words) => words.lag !== undefined)
    await reader.until((said) => answerOf(said) !== undefined)
    lag = answerOf(reader.said)?.lag
  }
}

function start(role: BusRole, settings: object, wrapper?: readonly string[]): BusProcess {
  const one = startBusProcess(built.home, temp.dir, role, settings, wrapper)
  processes.push(one)
  return one
}

interface SmallDisk {
  readonly wrapper: readonly string[]
  restore(): Promise<void>
}

// 8,000 blocks of 512 bytes (POSIX: ulimit -f); the signal that comes with it would end the process before it can tell.
async function limitFileSize(_dir: string): Promise<SmallDisk> {
  return { wrapper: ['sh', '-c', 'trap "" XFSZ; ulimit -f 8000; exec "$0" "$@"'], restore: async () => {} }
}

async function mountSmallDisk(dir: string): Promise<SmallDisk> {
  await mkdir(dir)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', dir])
  return {
    wrapper: [],
    async restore() {
      execFileSync('umount', [dir])
      await rm(join(dir, '..'), { recursive: true, force: true })
    },
  }
}

// Needs the right to mount, which a CI's root has and a person at a workstation has not.
function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function numbered(first: number, count: number): { key: string; bytes: Buffer }[] {
  return range([first, count]).map((number) => ({ key: `key-${number}`, bytes: Buffer.from(String(number)) }))
}

function firstNumbers(messages: readonly { bytes: Uint8Array }[]): number[] {
  return messages.map(({ bytes }) => Number.parseInt(Buffer.from(bytes).toString('latin1', 0, 20), 10))
}

function containsAll(all: readonly number[], wanted: readonly number[]): boolean {
  const set = new Set(all)
  return wanted.every((number) => set.has(number))
}
