import avsc from 'avsc'
import { unpackLists } from '../../src/codec/list-packs.js'
import { StatsdChunk } from '../../src/codec/statsd-chunk.js'
import { createGaugeMemory } from '../../src/codec/statsd-gauges.js'
import { StatsdMemory } from '../../src/codec/statsd-memory.js'
import {
  defaultStatsdRules,
  StatsdCounts,
  StatsdPacketReader,
  type StatsdRules,
} from '../../src/codec/statsd-packet.js'
import { SectionMemory, StatsdSender } from '../../src/codec/statsd-sender.js'
import type { ContainerIdentity } from '../../src/model/agent-state.js'
import type { Datapoint, Datapoints, MetricList } from '../../src/model/metric-list.js'

// avsc reads what our own encoder wrote, so that an error in it cannot hide itself.
const datapointType = avsc.Type.forSchema({
  type: 'record',
  name: 'Datapoint',
  fields: [
    { name: 'name', type: 'string' },
    { name: 'time_ms', type: 'long' },
    { name: 'value', type: 'double' },
  ],
})

/** The datapoints of a list, read by avsc; it throws where the bytes are not exactly `count` datapoints. */
export function readDatapoints({ count, bytes }: Datapoints): Datapoint[] {
  const points: Datapoint[] = []
  let offset = 0
  for (let left = count; left > 0; left--) {
    const { value, offset: next } = datapointType.decode(Buffer.from(bytes), offset)
    if (next < 0) throw new Error(`The list promises ${count} datapoints, but its bytes end in number ${points.length}`)
    points.push({ name: value.name, timeMs: value.time_ms, value: value.value })
    offset = next
  }
  if (offset !== bytes.length) throw new Error(`${bytes.length - offset} bytes are left behind ${count} datapoints`)
  return points
}

export const identity: ContainerIdentity = { frameworkId: 'fw', executorId: 'ex', containerId: 'c1' }

/** To make one takes longer than to read what a test reads; nothing in it outlives a chunk. */
const memory = new StatsdMemory()

export interface Reading {
  lists: MetricList[]
  counts: StatsdCounts
  rows: string[]
}

/**
 * Reads packets as one chunk, without a socket.
 *
 * @param rowByRow asks for each row, as the StatsD output does; else plain lines are read by WebAssembly, and `rows` is empty
 */
export function readPackets(
  packets: readonly (string | Buffer)[],
  {
    rules = {},
    timeMs = 1000,
    owner,
    gaugeDeltas = false,
    rowByRow = true,
  }: {
    rules?: Partial<StatsdRules>
    timeMs?: number
    owner?: ContainerIdentity
    gaugeDeltas?: boolean
    rowByRow?: boolean
  } = {},
): Reading {
  const counts = new StatsdCounts()
  const rows: string[] = []
  const chunk = new StatsdChunk({ limit: Number.POSITIVE_INFINITY, onFull() {}, memory })
  const reader = new StatsdPacketReader(chunk, counts, { ...defaultStatsdRules, ...rules })
  const context = {
    sender: new StatsdSender(owner, new SectionMemory()),
    gauges: gaugeDeltas ? createGaugeMemory() : undefined,
    onRow: rowByRow
      ? (packet: Buffer, start: number, end: number) => rows.push(packet.toString('utf8', start, end))
      : undefined,
  }
  for (const packet of packets) reader.read(Buffer.from(packet), timeMs, context)
  return { lists: [...unpackLists(chunk.take())], counts, rows }
}

/** One string a datapoint, as short as a table needs it: `name value` and its tags. */
export function summary(lists: readonly MetricList[]): string[] {
  return unpackLists(lists).flatMap(({ tags, datapoints }) =>
    readDatapoints(datapoints).map(({ name, value }) =>
      [name, Object.is(value, -0) ? '-0' : String(value), ...tags.map((tag) => `${tag.key}=${tag.value}`)].join(' '),
    ),
  )
}
