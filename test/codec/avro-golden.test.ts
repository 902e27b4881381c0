import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createOcfReader, decodeContainerFile } from '../../src/codec/avro-ocf.js'
import { decodeDatapoints } from '../../src/codec/datapoints.js'
import type { MetricList } from '../../src/model/metric-list.js'

/** Files written by another Avro implementation; make.py beside them tells how. A new folder is a new case. */
const fixtures = new URL('../fixtures/avro-ocf/', import.meta.url)
const cases = readdirSync(fixtures).filter((name) => existsSync(new URL(`${name}/input.avro`, fixtures)))

test('there are golden files', () => {
  expect(cases.length).toBeGreaterThan(20)
})

test.each(cases)('golden file %s', (name) => {
  const input = readFileSync(new URL(`${name}/input.avro`, fixtures))
  const expected = JSON.parse(readFileSync(new URL(`${name}/expected.json`, fixtures), 'utf8'))
  const { lists, fault } = decodeContainerFile(input)
  expect(lists.map(toJson)).toEqual(expected.lists)
  expect(fault?.code).toBe(expected.fault?.code)
  if (expected.fault !== undefined) expect(fault?.message).toContain(expected.fault.message)
})

test.each(cases)('golden file %s, byte by byte', (name) => {
  const input = readFileSync(new URL(`${name}/input.avro`, fixtures))
  const whole = decodeContainerFile(input)
  const reader = createOcfReader()
  const lists = [...input].flatMap((byte) => reader.push(Uint8Array.of(byte)))
  reader.end()
  expect(lists.map(toJson)).toEqual(whole.lists.map(toJson))
  expect(reader.fault?.message).toBe(whole.fault?.message)
})

function toJson({ topic, tags, datapoints }: MetricList) {
  const points = decodeDatapoints(datapoints)
  expect(points).toHaveLength(datapoints.count)
  return {
    topic,
    tags,
    datapoints: points.map((point) => ({
      ...point,
      value: Number.isFinite(point.value) ? point.value : `${point.value}`,
    })),
  }
}
