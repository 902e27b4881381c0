import { headroomBytes } from '../../src/bus/bus.js'
import {
  decodeRunMessages,
  encodeMessage,
  partitionOfKey,
  type Run,
  stampRecord,
} from '../../src/bus/embedded-records.js'
import { encodeContainerFile } from '../../src/codec/avro-ocf.js'
import { listOf, point } from '../support/sink-contract.js'

const lists = [listOf([point('a', 1)])]

describe('a message becomes a record', () => {
  test.each([
    ['in its own buffer, where there is room in front of it', true, 'container-1', true],
    ['up to the very last byte of the room', true, 'k'.repeat(headroomBytes - 12), true],
    ['in a new buffer where its key is too long for that', true, 'k'.repeat(headroomBytes - 11), false],
    ['by the bytes of the key, not its characters', true, 'ü'.repeat(headroomBytes / 2), false],
    ['in a new buffer where there is none', false, 'container-1', false],
  ])('%s', (_rule, hasHeadroom, key, inPlace) => {
    const bytes = encodeContainerFile(lists, { headroom: hasHeadroom ? headroomBytes : 0 })
    const before = Buffer.from(bytes)
    const record = encodeMessage({ key, bytes, hasHeadroom })
    expect(record.buffer === bytes.buffer).toBe(inPlace)
    expect(decodeRunMessages('t', runOf(1), record)).toEqual([
      { topic: 't', partition: 3, offset: 7n, timeMs: 1234, key, bytes: before },
    ])
    expect(Buffer.compare(bytes, before)).toBe(0)
  })

  test('again, where the first try did not succeed', () => {
    const message = { key: 'k', bytes: encodeContainerFile(lists, { headroom: headroomBytes }), hasHeadroom: true }
    encodeMessage(message)
    expect(decodeRunMessages('t', runOf(1), encodeMessage(message))).toMatchObject([{ key: 'k', bytes: message.bytes }])
  })
})

describe('the records of a run become messages', () => {
  const records = ['one', 'two', ''].map((text, at) => encodeMessage({ key: `k${at}`, bytes: Buffer.from(text) }))
  const all = Buffer.concat(records)
  const lengthsThatCannotBe = Buffer.concat([Buffer.alloc(8, 0xff), Buffer.alloc(32)])

  test('with offsets that follow each other', () => {
    const messages = decodeRunMessages('t', runOf(3), all)
    expect(messages.map(({ offset, key, bytes }) => [offset, key, String(bytes)])).toEqual([
      [7n, 'k0', 'one'],
      [8n, 'k1', 'two'],
      [9n, 'k2', ''],
    ])
  })

  test.each([
    ['no more than were written', all, 2, 2],
    ['none of nothing', Buffer.alloc(0), 3, 0],
    ['up to one that is cut off in its message', all.subarray(0, all.length - 15), 3, 1],
    ['up to one that is cut off in its lengths', all.subarray(0, 20), 3, 1],
    ['up to lengths that cannot be', Buffer.concat([all.subarray(0, 17), lengthsThatCannotBe]), 3, 1],
  ])('%s', (_rule, bytes, count, expected) => {
    expect(decodeRunMessages('t', runOf(count), bytes)).toHaveLength(expected)
  })

  test.each([
    ['up to those of another segment, whose file it was', 5, [5, 5, 4], 2],
    ['none where the segment is another', 5, [4, 4, 4], 0],
    ['with numbers of segments beyond 32 bits', 2 ** 32 + 5, [2 ** 32 + 5, 2 ** 32 + 5, 2 ** 32 + 5], 3],
  ])('%s', (_rule, segment, stamps, expected) => {
    for (const [at, record] of records.entries()) stampRecord(record, stamps[at] ?? 0)
    expect(decodeRunMessages('t', { ...runOf(3), segment }, Buffer.concat(records))).toHaveLength(expected)
  })
})

test('the partition of a key is part of the format', () => {
  expect(['', 'a', 'container-1', 'ü'].map((key) => partitionOfKey(key, 8))).toEqual([5, 4, 2, 3])
})

function runOf(count: number): Run {
  return { topicId: 0, partition: 3, firstOffset: 7n, count, timeMs: 1234, segment: 0, position: 0, bytes: 0 }
}
