import { age, bytesPerSecond, perSecond, short, span } from '../../src/telemetry/figures.js'
// @ts-expect-error the page's own module has no types
import * as ofPage from '../../web/format.js'

const values = [
  0, 0.04, 0.05, 0.44, 1, 9.94, 9.99, 37.4, 999, 999.9, 1000, 12_345, 99_949, 999_949, 999_950, 1_234_567, 5e9,
]

test.each(values)('%d reads the same on the page and on a terminal', (value) => {
  const onPage = [ofPage.short, ofPage.perSecond, ofPage.bytesPerSecond, ofPage.span].map((format) => format(value))
  expect(onPage).toEqual([short, perSecond, bytesPerSecond, span].map((format) => format(value)))
  expect(ofPage.age(value * 1000)).toBe(age(value * 1000))
})

test.each([
  [0.04, '0'],
  [0.44, '0.4'],
  [37.4, '37'],
  [1000, '1k'],
  [12_345, '12.3k'],
  [999_949, '1000k'],
  [1_234_567, '1.2M'],
])('%d is %s', (value, text) => {
  expect(short(value)).toBe(text)
})

test.each([
  [0, '0 B/s'],
  [1500, '1.5 kB/s'],
  [2_800_000, '2.8 MB/s'],
])('%d bytes a second are %s', (value, text) => {
  expect(bytesPerSecond(value)).toBe(text)
})

test.each([
  [2000, 'now'],
  [12_000, '12 s'],
  [240_000, '4 min'],
  [7_200_000, '2 h'],
  [259_200_000, '3 d'],
])('%d ms ago is %s', (ms, text) => {
  expect(age(ms)).toBe(text)
})
