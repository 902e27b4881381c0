import type { Env } from '../../src/bus/embedded-env.js'
import { encodeSegment, type Run, type SegmentRecord, segmentKey } from '../../src/bus/embedded-records.js'
import { SegmentChanges } from '../../src/bus/embedded-segment-changes.js'

const nowMs = 1_700_000_000_000

function changesOf(records: Record<number, SegmentRecord>): SegmentChanges {
  const entries = Object.entries(records).map(([segment, record]) => ({
    key: segmentKey(Number(segment)),
    value: encodeSegment(record),
  }))
  const segments = {
    getRange: () => entries,
    getBinary: (wanted: Buffer) => entries.find(({ key }) => key.equals(wanted))?.value,
  }
  return new SegmentChanges({ segments } as unknown as Pick<Env, 'segments'>, nowMs)
}

function runOf(segment: number, bytes: number): Run {
  return { topicId: 0, partition: 0, firstOffset: 0n, count: 1, timeMs: 0, segment, position: 0, bytes }
}

test('a segment is gone with its last run, where it is sealed or was not written to for a minute', () => {
  const changes = changesOf({
    1: { liveBytes: 10, isSealed: true, touchedMs: nowMs },
    2: { liveBytes: 20, isSealed: true, touchedMs: nowMs },
    3: { liveBytes: 10, isSealed: false, touchedMs: nowMs - 50_000 },
    4: { liveBytes: 10, isSealed: false, touchedMs: nowMs - 70_000 },
  })
  for (const segment of [1, 2, 3, 4]) changes.remove(runOf(segment, 10))
  expect(changes.gone).toEqual([
    { segment: 1, isSealed: true },
    { segment: 4, isSealed: false },
  ])
})

test('one that became empty without a change is found by a sweep', () => {
  const changes = changesOf({
    5: { liveBytes: 0, isSealed: true, touchedMs: nowMs },
    6: { liveBytes: 0, isSealed: false, touchedMs: nowMs - 70_000 },
    7: { liveBytes: 0, isSealed: false, touchedMs: nowMs },
  })
  expect(changes.gone).toEqual([])
  changes.sweep()
  expect(changes.gone).toEqual([
    { segment: 5, isSealed: true },
    { segment: 6, isSealed: false },
  ])
})

test('one without a record is gone, and nobody knows who writes it', () => {
  const changes = changesOf({})
  changes.remove(runOf(8, 10))
  expect(changes.gone).toEqual([{ segment: 8, isSealed: false }])
})
