import fc from 'fast-check'
import { parseNumber, ScannedNumber, scanDecimal } from '../../src/codec/statsd-number.js'

const seed = 20_160_721

function parse(text: string): number {
  const bytes = Buffer.from(`<${text}>`)
  return parseNumber(bytes, 1, bytes.length - 1)
}

/** What parseNumber promises: Number(), except that nothing, NaN and the infinities are no numbers. */
function promised(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  return Number.isFinite(value) ? value : Number.NaN
}

test.each([
  '0',
  '-0',
  '+0',
  '7',
  '-7',
  '+7',
  '007',
  '0.1',
  '-0.1',
  '.5',
  '-.5',
  '5.',
  '1e3',
  '1E-3',
  '-1.5e+10',
  '1e400',
  '1e-400',
  '9007199254740991',
  '9007199254740992',
  '9007199254740993',
  '-9007199254740993',
  '18446744073709551615',
  '0.30000000000000004',
  '123456789.123456789',
  '0.0000000000000000000001',
  '0.00000000000000000000001',
  '1.7976931348623157e308',
  '5e-324',
  '2.2250738585072011e-308',
  '0x10',
  '0b11',
  ' 12 ',
  '\t12',
  '',
  ' ',
  '.',
  '-',
  '+',
  '--1',
  '1-',
  '1.2.3',
  'NaN',
  'Infinity',
  '-Infinity',
  'inf',
  '1_000',
  '12abc',
  '１',
  '1e',
  'e1',
  '-.',
  '1 2',
])('%j is read as Number() reads it', (text) => {
  expect(parse(text)).toBe(promised(text))
})

test(`any decimal number is the same double as Number()'s (seed ${seed})`, () => {
  const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), maxLength: 25 })
  const sign = fc.constantFrom('', '-', '+')
  const fraction = fc.oneof(
    fc.constant(''),
    digits.map((text) => `.${text}`),
  )
  const exponent = fc.oneof(
    { weight: 3, arbitrary: fc.constant('') },
    { weight: 1, arbitrary: fc.integer({ min: -400, max: 400 }).map((power) => `e${power}`) },
  )
  fc.assert(
    fc.property(sign, digits, fraction, exponent, (...parts) => {
      const text = parts.join('')
      expect(parse(text)).toBe(promised(text))
    }),
    { seed, numRuns: 20_000 },
  )
})

test(`any double comes back from its text (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(parse(String(value))).toBe(Number(String(value)))
      expect(parse(value.toFixed(3))).toBe(Number(value.toFixed(3)))
    }),
    { seed, numRuns: 20_000 },
  )
})

test(`any text is read as Number() reads it (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'0159.-+eExX _a '), maxLength: 8 }), (text) => {
      expect(parse(text)).toBe(promised(text))
    }),
    { seed, numRuns: 20_000 },
  )
})

test('scanDecimal stops behind the number and leaves what it cannot read exactly to parseNumber', () => {
  const into = new ScannedNumber()
  expect(scanDecimal(Buffer.from('12.5|c'), 0, 6, into)).toBe(4)
  expect(into.value).toBe(12.5)
  scanDecimal(Buffer.from('9007199254740993'), 0, 16, into)
  expect(into.value).toBeNaN()
  scanDecimal(Buffer.from('0.00000000000000000000001'), 0, 25, into)
  expect(into.value).toBeNaN()
})
