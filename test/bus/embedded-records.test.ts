import { headroomBytes } from '../../src/bus/bus.js'
import { decodeMessage, encodeMessage, partitionOfKey } from '../../src/bus/embedded-records.js'
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
    const record = encodeMessage({ key, bytes, hasHeadroom }, 1234)
    expect(record.buffer === bytes.buffer).toBe(inPlace)
    expect(decodeMessage('t', { topicId: 0, partition: 3 }, 7n, record)).toEqual({
      topic: 't',
      partition: 3,
      offset: 7n,
      timeMs: 1234,
      key,
      bytes: before,
    })
    expect(Buffer.compare(bytes, before)).toBe(0)
  })

  test('again, where the first try did not succeed', () => {
    const message = { key: 'k', bytes: encodeContainerFile(lists, { headroom: headroomBytes }), hasHeadroom: true }
    encodeMessage(message, 1)
    expect(decodeMessage('t', { topicId: 0, partition: 0 }, 0n, encodeMessage(message, 2))).toMatchObject({
      key: 'k',
      timeMs: 2,
      bytes: message.bytes,
    })
  })
})

test('the partition of a key is part of the format', () => {
  expect(['', 'a', 'container-1', 'ü'].map((key) => partitionOfKey(key, 8))).toEqual([5, 4, 2, 3])
})
