import type { Bus, IncomingMessage, OnBatch, OutgoingMessage, StartFrom, Subscription } from '../../src/bus/bus.js'
import { ExitCode, StatsError } from '../../src/platform/errors.js'

/** A driver on something real. Buses of one `BusUnderTest` see the same topics. */
export interface BusUnderTest {
  /** A new driver, opened; the test closes it. */
  openBus(): Promise<Bus>
  /** Removes what the test left, when all buses have been closed. */
  dispose(): Promise<void>
}

/** What a reader of the contract got, in the order in which it came. */
export interface Reader {
  readonly messages: IncomingMessage[]
  readonly batches: (readonly IncomingMessage[])[]
  readonly ended: Promise<void>
  /** Resolves when `count` messages have come. */
  until(count: number): Promise<readonly IncomingMessage[]>
  stop(): Promise<void>
}

let lastName = 0

/** A name that no test used before, also not in a server that outlives the run. */
export function uniqueName(what: string): string {
  return `${what}-${process.pid}-${Date.now().toString(36)}-${++lastName}`
}

export function messagesOf(count: number, keys = 16, first = 0): OutgoingMessage[] {
  return Array.from({ length: count }, (_, at) => ({
    key: `key-${(first + at) % keys}`,
    bytes: Buffer.from(String(first + at)),
  }))
}

export function textsOf(messages: readonly IncomingMessage[]): string[] {
  return messages.map(({ bytes }) => Buffer.from(bytes).toString())
}

export function numbersOf(messages: readonly IncomingMessage[]): number[] {
  return textsOf(messages)
    .map(Number)
    .sort((a, b) => a - b)
}

export function upTo(count: number, first = 0): number[] {
  return Array.from({ length: count }, (_, at) => first + at)
}

export function startReader(
  bus: Bus,
  subscription: Pick<Subscription, 'topics' | 'group'> & Partial<Subscription>,
  handle: OnBatch = async () => {},
): Reader {
  const stop = new AbortController()
  const messages: IncomingMessage[] = []
  const batches: (readonly IncomingMessage[])[] = []
  const waiters = new Set<() => void>()
  const ended = bus.subscribe(
    { from: 'earliest', ...subscription },
    async (batch, signal) => {
      await handle(batch, signal)
      messages.push(...batch)
      batches.push(batch)
      for (const wake of waiters) wake()
    },
    stop.signal,
  )
  ended.catch(() => {})
  return {
    messages,
    batches,
    ended,
    async until(count) {
      const failed = ended.then(() => {
        if (messages.length < count)
          throw new Error(`the subscription ended with ${messages.length} of ${count} messages`)
      })
      while (messages.length < count) {
        const more = new Promise<void>((resolve) => waiters.add(resolve))
        await Promise.race([more, failed])
      }
      return messages
    },
    async stop() {
      stop.abort()
      await ended
    },
  }
}

/**
 * What every bus promises.
 *
 * @param timeoutMs of each promise: how long a group of the driver may take to notice a new member or topic
 */
export function busContract(
  name: string,
  create: () => Promise<BusUnderTest>,
  { timeoutMs = 30_000 }: { timeoutMs?: number } = {},
): void {
  describe(`${name}, as every bus`, () => {
    let under: BusUnderTest
    let bus: Bus
    const opened: Bus[] = []
    const readers: Reader[] = []

    beforeAll(async () => {
      under = await create()
    }, timeoutMs)
    beforeEach(async () => {
      bus = await openBus()
    })
    afterEach(async () => {
      await Promise.allSettled(readers.splice(0).map((reader) => reader.stop()))
      await Promise.all(opened.splice(0).map((one) => one.close()))
    }, timeoutMs)
    afterAll(() => under.dispose(), timeoutMs)

    const promise = (rule: string, run: () => Promise<void>) => test(rule, run, timeoutMs)

    promise(
      'what is published comes with topic, key, bytes and time, in order for each key, offsets without gaps',
      async () => {
        const topic = uniqueName('order')
        const before = Date.now()
        const sent = messagesOf(200, 10)
        for (let at = 0; at < sent.length; at += 25) await bus.publish(topic, sent.slice(at, at + 25))
        const got = await read({ topics: [topic], group: uniqueName('g') }).until(200)
        expect(numbersOf(got)).toEqual(upTo(200))
        expect(got.every((message) => message.topic === topic && Math.abs(message.timeMs - before) < 60_000)).toBe(true)
        for (const [key, ofKey] of groupBy(got, (message) => message.key)) {
          expect(textsOf(ofKey)).toEqual(textsOfSent(sent.filter((message) => message.key === key)))
        }
        for (const [, ofPartition] of groupBy(got, (message) => String(message.partition))) {
          expect(ofPartition.map(({ offset }) => offset)).toEqual(ofPartition.map((_, at) => BigInt(at)))
        }
      },
    )

    promise('bytes of every value and size arrive as they were', async () => {
      const topic = uniqueName('bytes')
      const every = Uint8Array.from({ length: 256 }, (_, at) => at)
      const large = Buffer.alloc(600_000, 'large ')
      await bus.publish(
        topic,
        [every, new Uint8Array(0), large].map((bytes) => ({ key: 'ключ', bytes })),
      )
      const got = await read({ topics: [topic], group: uniqueName('g') }).until(3)
      const sent = [Buffer.from(every), Buffer.alloc(0), large]
      expect(got.map(({ bytes }, at) => Buffer.from(bytes).equals(sent[at] ?? every))).toEqual([true, true, true])
      expect(got.map(({ key }) => key)).toEqual(['ключ', 'ключ', 'ключ'])
    })

    promise('groups with different names each get everything', async () => {
      const topic = uniqueName('two-groups')
      const one = read({ topics: [topic], group: uniqueName('one') })
      const two = read({ topics: [topic], group: uniqueName('two') })
      await bus.publish(topic, messagesOf(50))
      expect(numbersOf(await one.until(50))).toEqual(upTo(50))
      expect(numbersOf(await two.until(50))).toEqual(upTo(50))
    })

    promise('a reader that comes after another of its group goes on where that one had committed', async () => {
      const topic = uniqueName('goes-on')
      const group = uniqueName('g')
      await bus.publish(topic, messagesOf(30))
      const first = read({ topics: [topic], group })
      await first.until(30)
      await first.stop()
      await bus.publish(topic, messagesOf(30, 16, 30))
      const second = read({ topics: [topic], group }, await openBus())
      expect(numbersOf(await second.until(30))).toEqual(upTo(30, 30))
    })

    promise('a batch that was rejected comes again, and nothing overtakes it in its partition', async () => {
      const topic = uniqueName('again')
      const tries: string[][] = []
      const reader = read({ topics: [topic], group: uniqueName('g') }, bus, async (batch) => {
        tries.push(textsOf(batch))
        if (tries.length <= 2) throw new Error('the sink is away')
      })
      await bus.publish(topic, messagesOf(5, 1))
      expect(textsOf(await reader.until(5))).toEqual(['0', '1', '2', '3', '4'])
      expect(tries.length).toBeGreaterThanOrEqual(3)
      expect(tries[1]?.[0]).toBe('0')
    })

    promise('a rejection with an exit code ends the subscription with it, and the position stays', async () => {
      const topic = uniqueName('fatal')
      const group = uniqueName('g')
      await bus.publish(topic, messagesOf(5, 1))
      const refusal = new StatsError('DS_SINK_AUTH', 'refused', { exitCode: ExitCode.unavailable })
      const reader = read({ topics: [topic], group }, bus, () => Promise.reject(refusal))
      await expect(reader.ended).rejects.toBe(refusal)
      expect(numbersOf(await read({ topics: [topic], group }).until(5))).toEqual(upTo(5))
    })

    promise('the end of a subscription waits for the running batch and commits it', async () => {
      const topic = uniqueName('ends')
      const group = uniqueName('g')
      let release = () => {}
      let started = () => {}
      const running = new Promise<void>((resolve) => {
        started = resolve
      })
      const reader = read({ topics: [topic], group }, bus, () => {
        started()
        return new Promise((resolve) => {
          release = resolve
        })
      })
      await bus.publish(topic, messagesOf(1))
      await running
      const stopped = reader.stop()
      release()
      await stopped
      await bus.publish(topic, messagesOf(1, 1, 1))
      expect(numbersOf(await read({ topics: [topic], group }).until(1))).toEqual([1])
    })

    promise('two members of a group share the work, and what one leaves the other takes', async () => {
      const topic = uniqueName('share')
      const group = uniqueName('g')
      await bus.publish(topic, messagesOf(10))
      const one = read({ topics: [topic], group })
      const two = read({ topics: [topic], group }, await openBus())
      const both = () => [...one.messages, ...two.messages]
      for (let sent = 10; one.messages.length === 0 || two.messages.length === 0; sent += 10) {
        await bus.publish(topic, messagesOf(10, 64, sent))
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      await two.stop()
      const lastOne = one.messages.length
      await bus.publish(topic, messagesOf(64, 64, 1_000_000))
      await one.until(lastOne + 64)
      const numbers = numbersOf(both())
      expect(new Set(numbers.slice(-64))).toEqual(new Set(upTo(64, 1_000_000)))
    })

    promise('a new group begins at the earliest, at the latest, or at a time', async () => {
      const topic = uniqueName('from')
      await bus.publish(topic, messagesOf(5, 1))
      await new Promise((resolve) => setTimeout(resolve, 20))
      const betweenMs = Date.now()
      await new Promise((resolve) => setTimeout(resolve, 20))
      await bus.publish(topic, messagesOf(5, 1, 5))
      const starts: [StartFrom, number[]][] = [
        ['earliest', upTo(10)],
        [{ timeMs: 0 }, upTo(10)],
        [{ timeMs: betweenMs }, upTo(5, 5)],
      ]
      for (const [from, expected] of starts) {
        const reader = read({ topics: [topic], group: uniqueName('g'), from })
        expect(numbersOf(await reader.until(expected.length))).toEqual(expected)
      }
      const latest = read({ topics: [topic], group: uniqueName('g'), from: 'latest' })
      // Until the group has its positions, "latest" has not happened yet.
      for (let sent = 100; latest.messages.length === 0; sent++) {
        await bus.publish(topic, messagesOf(1, 1, sent))
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      expect(numbersOf(latest.messages)[0]).toBeGreaterThanOrEqual(100)
    })

    promise('a pattern matches whole names, and a topic that appears later is read from its beginning', async () => {
      const prefix = uniqueName('pattern')
      await bus.publish(`${prefix}-a`, messagesOf(3, 3))
      await bus.publish(`x-${prefix}-a`, messagesOf(3, 3, 500))
      await bus.publish(`${prefix}-a-x`, messagesOf(3, 3, 600))
      const reader = read({ topics: new RegExp(`${prefix}-[a-z]`), group: uniqueName('g') })
      expect(numbersOf(await reader.until(3))).toEqual(upTo(3))
      await bus.publish(`${prefix}-b`, messagesOf(4, 4, 10))
      expect(numbersOf((await reader.until(7)).slice(3))).toEqual(upTo(4, 10))
    })

    promise(
      'a topic that appeared while the group was away is read from its beginning, also with "latest"',
      async () => {
        const prefix = uniqueName('away')
        const group = uniqueName('g')
        const subscription = { topics: new RegExp(`${prefix}-.*`), group, from: 'latest' as const }
        await bus.publish(`${prefix}-old`, messagesOf(5))
        const first = read(subscription)
        for (let sent = 100; first.messages.length === 0; sent++) {
          await bus.publish(`${prefix}-old`, messagesOf(1, 1, sent))
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
        await first.stop()
        await bus.publish(`${prefix}-new`, messagesOf(5, 5, 200))
        const second = read(subscription)
        const got = await second.until(5)
        expect(numbersOf(got.filter(({ topic }) => topic === `${prefix}-new`))).toEqual(upTo(5, 200))
      },
    )

    promise('a topic that is there at last is read by who waited for it', async () => {
      const topic = uniqueName('waits')
      const reader = read({ topics: [topic], group: uniqueName('g') })
      await bus.publish(topic, messagesOf(3))
      expect(numbersOf(await reader.until(3))).toEqual(upTo(3))
    })

    promise('a replay reads a span of time, ends by itself, and leaves the positions of the group alone', async () => {
      const topic = uniqueName('replay')
      const group = uniqueName('g')
      await bus.publish(topic, messagesOf(5))
      const reader = read({ topics: [topic], group })
      await reader.until(5)
      await reader.stop()
      await new Promise((resolve) => setTimeout(resolve, 20))
      const toMs = Date.now()
      await new Promise((resolve) => setTimeout(resolve, 20))
      await bus.publish(topic, messagesOf(5, 5, 5))
      const replay = read({ topics: [topic], group, from: 'earliest', replay: true, to: { timeMs: toMs } })
      await replay.ended
      expect(numbersOf(replay.messages)).toEqual(upTo(5))
      expect(numbersOf(await read({ topics: [topic], group }).until(5))).toEqual(upTo(5, 5))
    })

    promise('lag is what waits behind the positions', async () => {
      const topic = uniqueName('lag')
      const hold = new Promise<void>(() => {})
      const stop = new AbortController()
      const subscribed = bus.subscribe(
        { topics: [topic], group: uniqueName('g'), from: 'earliest' },
        (_batch, signal) =>
          Promise.race([hold, new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))]),
        stop.signal,
      )
      await bus.publish(topic, messagesOf(40, 1))
      await waitFor(() => bus.lag().reduce((sum, { messages }) => sum + messages, 0) === 40)
      expect(bus.lag().every((one) => one.topic === topic)).toBe(true)
      stop.abort()
      await subscribed
    })

    async function openBus(): Promise<Bus> {
      const one = await under.openBus()
      opened.push(one)
      return one
    }

    function read(
      subscription: Pick<Subscription, 'topics' | 'group'> & Partial<Subscription>,
      on = bus,
      handle?: OnBatch,
    ): Reader {
      const reader = startReader(on, subscription, handle)
      readers.push(reader)
      return reader
    }
  })
}

/** Waits until `holds` does; for what tells nobody when it changes. The test's own time limit ends it. */
export async function waitFor(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10))
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item])
  return groups
}

function textsOfSent(messages: readonly OutgoingMessage[]): string[] {
  return messages.map(({ bytes }) => Buffer.from(bytes).toString())
}
