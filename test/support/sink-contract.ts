import { encodeDatapoints } from '../../src/codec/datapoints.js'
import type { Datapoint, MetricList, Tag } from '../../src/model/metric-list.js'
import { countDatapoints } from '../../src/model/metric-list.js'
import type { Sink, WriteResult } from '../../src/outputs/sink.js'

/** A sink with what is around it. */
export interface SinkBench {
  readonly sink: Sink
  /**
   * The values that reached the peer, as soon as there are `count` of them, repeats left out; values, because every format
   * keeps them as they are. Absent where nothing can be seen.
   */
  readonly values?: (count: number) => Promise<number[]>
  /** Ends the peer, after `sink.close`. */
  dispose(): Promise<void>
}

export interface SinkContract {
  /** A sink whose peer is there and takes everything. */
  present(): Promise<SinkBench>
  /** A sink whose peer is away; absent where there is no peer that can be. */
  absent?: () => Promise<SinkBench>
  /** A sink whose peer takes connections and then neither reads nor answers; `writeMuch` fills what is between. */
  hanging?: () => Promise<SinkBench>
  /** The time of the first datapoints, for stores that keep only what is new; November 2023 unless given. */
  readonly startMs?: number
  /** Whether NaN and infinities are written like other values; else they must be dropped as not_finite. */
  readonly takesNotFinite: boolean
  /** True where datapoints are passed on in their bytes, unread: what is missing in them, the next hop counts. */
  readonly passesUnread?: true
}

/** What `src/outputs/sink.ts` promises, tried on one sink. Call it inside `describe`. */
export function runSinkContract(contract: SinkContract): void {
  const never = new AbortController().signal
  const { startMs = defaultMs } = contract
  const at = (second: number) => startMs + second * 1000

  test('sends every datapoint of a batch and reports exactly these', async () => {
    const bench = await opened(contract.present)
    const lists = [
      listOf([point('a', 1, at(0)), point('b', 2, at(0))], { topic: 'one' }),
      listOf([point('a', 3, at(0))], { topic: 'two', tags: [{ key: 'framework_id', value: 'f-1' }] }),
    ]
    const result = await bench.sink.write(lists, never)
    expectSettled(result, lists)
    expect(result).toMatchObject({ status: 'sent', datapoints: 3 })
    expect(await bench.values?.(3)).toEqual(bench.values && expect.arrayContaining([1, 2, 3]))
    await finish(bench)
  })

  test('sends one write after the other', async () => {
    const bench = await opened(contract.present)
    for (let round = 1; round <= 5; round++) {
      const lists = [listOf([point('round', round, at(round))])]
      expectSettled(await bench.sink.write(lists, never), lists)
    }
    expect(await bench.values?.(5)).toEqual(bench.values && expect.arrayContaining([1, 2, 3, 4, 5]))
    await finish(bench)
  })

  test('takes a batch of 5,000 datapoints in one write', async () => {
    const bench = await opened(contract.present)
    const points = Array.from({ length: 5000 }, (_, n) => point(`n${n % 50}`, n, at(n)))
    const lists = Array.from({ length: 50 }, (_, n) => listOf(points.slice(n * 100, n * 100 + 100)))
    expectSettled(await bench.sink.write(lists, never), lists)
    const values = await bench.values?.(5000)
    if (values) expect(new Set(values).size).toBe(5000)
    await finish(bench)
  })

  test('answers a batch without datapoints as sent', async () => {
    const bench = await opened(contract.present)
    expect(await bench.sink.write([], never)).toMatchObject({ status: 'sent', datapoints: 0 })
    expect(await bench.sink.write([listOf([])], never)).toMatchObject({ status: 'sent', datapoints: 0 })
    await finish(bench)
  })

  test('takes NaN and infinities, or drops them alone as not_finite', async () => {
    const bench = await opened(contract.present)
    const lists = [
      listOf([point('nan', Number.NaN, at(0)), point('up', Number.POSITIVE_INFINITY, at(0)), point('ok', 7, at(0))]),
    ]
    const result = await bench.sink.write(lists, never)
    expectSettled(result, lists)
    expect(droppedAs(result, 'not_finite')).toBe(contract.takesNotFinite ? 0 : 2)
    if (bench.values) expect(await bench.values(1)).toContain(7)
    await finish(bench)
  })

  test('takes every kind of text in topics, tags and names', async () => {
    const bench = await opened(contract.present)
    const lists = awkwardTexts.map((text, n) =>
      listOf([point(text, 100 + n, at(0))], { topic: text, tags: [{ key: text, value: text }] }),
    )
    expectSettled(await bench.sink.write(lists, never), lists)
    const values = await bench.values?.(awkwardTexts.length)
    if (values) expect(values.sort()).toEqual(awkwardTexts.map((_, n) => 100 + n))
    await finish(bench)
  })

  if (!contract.passesUnread)
    test('drops what a sender announced and did not send as undecodable', async () => {
      const bench = await opened(contract.present)
      const { datapoints, ...list } = listOf([point('here', 5, at(0))])
      const lists = [{ ...list, datapoints: { count: 3, bytes: datapoints.bytes } }]
      const result = await bench.sink.write(lists, never)
      expectSettled(result, lists)
      expect(droppedAs(result, 'undecodable')).toBe(2)
      await finish(bench)
    })

  test('can be closed without having been opened', async () => {
    const bench = await contract.present()
    await bench.sink.close()
    await bench.dispose()
  })

  const { absent, hanging } = contract
  if (absent) {
    test('opens while the peer is away, answers retry with a cause, and closes', async () => {
      const bench = await opened(absent)
      const result = await bench.sink.write([listOf([point('a', 1)])], never)
      expect(result.status).toBe('retry')
      expect((result as { cause: Error }).cause.message).not.toBe('')
      await finish(bench)
    })
  }

  if (hanging) {
    test('gives up a write when its signal is aborted', async () => {
      const bench = await opened(hanging)
      const deadline = new AbortController()
      const points = Array.from({ length: 30_000 }, (_, at) =>
        point(`much.${'x'.repeat(200)}`, at, 1_700_000_000_000 + at),
      )
      const write = writeUntilStuck(bench.sink, [listOf(points)], deadline.signal)
      setTimeout(() => deadline.abort(), 50)
      expect((await write).status).toBe('retry')
      await finish(bench)
    })
  }
}

const defaultMs = 1_700_000_000_123

/** A list without topic and tags of its own, unless given. */
export function listOf(points: readonly Datapoint[], { topic = 't', tags = [] as readonly Tag[] } = {}): MetricList {
  return { topic, tags, datapoints: encodeDatapoints(points) }
}

export function point(name: string, value: number, timeMs = defaultMs): Datapoint {
  return { name, timeMs, value }
}

/** Texts that some format has a special meaning for. */
export const awkwardTexts = [
  'blank in it',
  'comma,equals=quote"single\'',
  'line\nbreak\r\ttab',
  'back\\slash',
  'ends with a backslash\\',
  'backslashes\\, in \\= front \\ of "\\"',
  'semi;colon~!^',
  '#hash',
  'dots..and...more.',
  'nul\0 and \u001b[31mred',
  'grüße 指标 🚀',
  '{"json": true}',
  'slash/and:colon|pipe@at',
  'time',
  '_field',
  '__proto__',
]

async function opened(make: () => Promise<SinkBench>): Promise<SinkBench> {
  const bench = await make()
  await bench.sink.open(new AbortController().signal)
  return bench
}

async function finish({ sink, dispose }: SinkBench): Promise<void> {
  await sink.close()
  await dispose()
}

/** Sockets take some megabytes before they say that the other side does not read. */
async function writeUntilStuck(sink: Sink, lists: MetricList[], signal: AbortSignal): Promise<WriteResult> {
  for (;;) {
    const result = await sink.write(lists, signal)
    if (result.status !== 'sent') return result
  }
}

function expectSettled(result: WriteResult, lists: readonly MetricList[]): void {
  if (result.status !== 'sent') throw result.cause
  const dropped = (result.dropped ?? []).reduce((sum, { datapoints }) => sum + datapoints, 0)
  expect(result.datapoints + dropped).toBe(countDatapoints(lists))
}

function droppedAs(result: WriteResult, reason: string): number {
  if (result.status !== 'sent') return 0
  return (result.dropped ?? [])
    .filter((drop) => drop.reason === reason)
    .reduce((sum, { datapoints }) => sum + datapoints, 0)
}
