import { createDiscardSink } from '../../src/outputs/discard.js'
import { listOf, point } from '../support/sink-contract.js'

test('reports everything as sent', async () => {
  const sink = createDiscardSink()
  const never = new AbortController().signal
  await sink.open(never)
  const lists = [listOf([point('a', 1), point('b', Number.NaN)]), listOf([point('c', 3)])]
  expect(await sink.write(lists, never)).toEqual({ status: 'sent', datapoints: 3 })
  await sink.close()
})
