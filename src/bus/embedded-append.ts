import type { OutgoingMessage } from './bus.js'
import { encodeMessage, partitionOfKey, stampRecord } from './embedded-records.js'

/** Messages of one partition that are written behind each other: a run without its place. */
export interface Stretch {
  readonly topic: string
  readonly partition: number
  readonly records: Buffer[]
  bytes: number
}

// What a reader reads at once: it may have to begin in the middle, and to stop there.
const stretchBytes = 1024 * 1024
const stretchMessages = 256

/** The messages of several appends in the order in which they are written. */
export class AppendGroup {
  readonly stretches: readonly Stretch[]
  readonly bytes: number

  /** @param appends with topics and keys as `checkPublish` takes them */
  constructor(appends: readonly { topic: string; messages: readonly OutgoingMessage[] }[], partitions: number) {
    const byTopic = new Map<string, Stretch[][]>()
    for (const { topic, messages } of appends) {
      const ofTopic = byTopic.get(topic) ?? Array.from({ length: partitions }, () => [])
      byTopic.set(topic, ofTopic)
      for (const message of messages) {
        const partition = partitionOfKey(message.key, partitions)
        addRecord(ofTopic[partition] as Stretch[], { topic, partition }, encodeMessage(message))
      }
    }
    this.stretches = [...byTopic.values()].flat(2)
    this.bytes = this.stretches.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** In the order in which they are written, ready for this segment; for another they are to be asked for again. */
  recordsFor(segment: number): Buffer[] {
    const records = this.stretches.flatMap((stretch) => stretch.records)
    for (const record of records) stampRecord(record, segment)
    return records
  }
}

function addRecord(stretches: Stretch[], of: { topic: string; partition: number }, record: Buffer): void {
  const last = stretches.at(-1)
  const isFull =
    last === undefined || last.records.length >= stretchMessages || last.bytes + record.length > stretchBytes
  if (isFull) {
    stretches.push({ ...of, records: [record], bytes: record.length })
    return
  }
  last.records.push(record)
  last.bytes += record.length
}
