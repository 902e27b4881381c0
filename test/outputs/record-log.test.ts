import type { MetricList } from '../../src/model/metric-list.js'
import { recordList } from '../../src/outputs/record-log.js'
import { listOf, point } from '../support/sink-contract.js'

function recorded(list: MetricList): unknown[] {
  const entries: unknown[] = []
  recordList({ info: (entry: unknown) => void entries.push(entry) }, list)
  return entries
}

test('an entry shows topic, tags in their order and datapoints with time, name and value', () => {
  const tags = [
    { key: 'k', value: 'first' },
    { key: 'k', value: 'last' },
  ]
  expect(recorded(listOf([point('load', 0.1), point('nan', Number.NaN)], { topic: 'agent', tags }))).toEqual([
    {
      topic: 'agent',
      tags: ['k=first', 'k=last'],
      datapoints: ['2023-11-14T22:13:20.123Z load 0.1', '2023-11-14T22:13:20.123Z nan NaN'],
    },
  ])
})

test('a time beyond all calendars is shown as milliseconds', () => {
  expect(recorded(listOf([{ name: 'n', timeMs: 2 ** 53 - 1, value: 1 }]))).toMatchObject([
    { datapoints: ['9007199254740991ms n 1'] },
  ])
})
