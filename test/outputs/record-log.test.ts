import { createRecordLogSink } from '../../src/outputs/record-log.js'
import { listOf, point, runSinkContract } from '../support/sink-contract.js'

interface Entry {
  topic: string
  tags: string[]
  datapoints: string[]
}

runSinkContract({
  takesNotFinite: true,
  present: async () => {
    const entries: Entry[] = []
    return {
      sink: createRecordLogSink({ log: { info: (entry: unknown) => void entries.push(entry as Entry) } }),
      values: async () =>
        entries.flatMap(({ datapoints }) => datapoints.map((text) => Number(text.slice(text.lastIndexOf(' '))))),
      dispose: async () => {},
    }
  },
})

test('an entry shows topic, tags in their order and datapoints with time, name and value', async () => {
  const entries: unknown[] = []
  const sink = createRecordLogSink({ log: { info: (entry: unknown) => void entries.push(entry) } })
  const tags = [
    { key: 'k', value: 'first' },
    { key: 'k', value: 'last' },
  ]
  await sink.write(
    [listOf([point('load', 0.1), point('nan', Number.NaN)], { topic: 'agent', tags })],
    new AbortController().signal,
  )
  expect(entries).toEqual([
    {
      topic: 'agent',
      tags: ['k=first', 'k=last'],
      datapoints: ['2023-11-14T22:13:20.123Z load 0.1', '2023-11-14T22:13:20.123Z nan NaN'],
    },
  ])
})
