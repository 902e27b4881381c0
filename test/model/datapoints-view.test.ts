import { byteLengthOf, DatapointsView } from '../../src/model/datapoints-view.js'

test('the view is made when it is asked for, and once', () => {
  const around = Uint8Array.from({ length: 20 }, (_, at) => at)
  const datapoints = new DatapointsView(3, around.buffer, 5, 4)
  expect({ count: datapoints.count, byteLength: datapoints.byteLength }).toEqual({ count: 3, byteLength: 4 })
  expect([...datapoints.bytes]).toEqual([5, 6, 7, 8])
  expect(datapoints.bytes).toBe(datapoints.bytes)
  expect(datapoints.bytes.buffer).toBe(around.buffer)
})

test('the length is known of both kinds', () => {
  expect(byteLengthOf(new DatapointsView(1, new ArrayBuffer(8), 2, 6))).toBe(6)
  expect(byteLengthOf({ count: 1, bytes: new Uint8Array(11) })).toBe(11)
})
