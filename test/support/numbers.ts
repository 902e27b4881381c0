import type { Bus } from '../../src/bus/bus.js'
import { encodeContainerFile } from '../../src/codec/avro-ocf.js'
import { encodeDatapoints } from '../../src/codec/datapoints.js'
import type { MetricList, Tag } from '../../src/model/metric-list.js'
import type { PrintedDatapoint } from './program.js'

/** A list of the values `from` to `to`, all of the name `numbered`, each at its own millisecond. */
export function numberedList(from: number, to: number, tags: readonly Tag[] = []): MetricList {
  const values = Array.from({ length: to - from + 1 }, (_, at) => from + at)
  const points = values.map((value) => ({ name: 'numbered', timeMs: 1_700_000_000_000 + value, value }))
  return { topic: 't', tags, datapoints: encodeDatapoints(points) }
}

/** Publishes the values `from` to `to`, so many in a message; all messages have one key, so they stay in one partition. */
export async function publishNumbers(
  bus: Bus,
  topic: string,
  {
    from = 1,
    to,
    perMessage = 100,
    key = 'k',
    tags = [],
  }: { from?: number; to: number; perMessage?: number; key?: string; tags?: readonly Tag[] },
): Promise<void> {
  const messages: { key: string; bytes: Buffer }[] = []
  for (let first = from; first <= to; first += perMessage) {
    const bytes = encodeContainerFile([numberedList(first, Math.min(first + perMessage - 1, to), tags)])
    messages.push({ key, bytes })
  }
  for (let at = 0; at < messages.length; at += 500) await bus.publish(topic, messages.slice(at, at + 500))
}

/** The values of `numbered`, in the order they were printed. */
export function numbersOf(data: readonly PrintedDatapoint[]): number[] {
  return data.filter(({ name }) => name === 'numbered').map(({ value }) => Number(value))
}

/** Fails, naming some, where one of the numbers 1 to `count` is missing, or another one is there. */
export function expectEachOf(count: number, numbers: Iterable<number>): void {
  const seen = new Set(numbers)
  const missing: number[] = []
  for (let number = 1; number <= count; number++) if (!seen.has(number)) missing.push(number)
  expect({ missing: missing.slice(0, 20), missingCount: missing.length, seen: seen.size }).toEqual({
    missing: [],
    missingCount: 0,
    seen: count,
  })
}
