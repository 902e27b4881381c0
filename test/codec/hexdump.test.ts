import { hexdump } from '../../src/codec/hexdump.js'

test.each([
  ['nothing', '', ''],
  ['one byte', 'O', '00000000  4f                                                |O|'],
  [
    'a line and a bit, with what cannot be printed as dots',
    'Obj\x01abcdefghijkl\n~\x7f',
    '00000000  4f 62 6a 01 61 62 63 64  65 66 67 68 69 6a 6b 6c  |Obj.abcdefghijkl|\n' +
      '00000010  0a 7e 7f                                          |.~.|',
  ],
])('%s', (_what, text, dump) => {
  expect(hexdump(Buffer.from(text, 'latin1'))).toBe(dump)
})
