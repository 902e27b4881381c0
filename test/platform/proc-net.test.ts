import { procAddress } from '../../src/platform/proc-net.js'

// As a little-endian machine writes them, which every machine is that runs this.
test.each([
  ['127.0.0.1', 8125, '0100007F:1FBD'],
  ['192.0.2.2', 80, '020200C0:0050'],
  ['0.0.0.0', 65_535, '00000000:FFFF'],
  ['::1', 8125, '00000000000000000000000001000000:1FBD'],
  ['::', 1, '00000000000000000000000000000000:0001'],
  ['fd00::2', 1, '000000FD000000000000000002000000:0001'],
  ['fe80::fc:ff:fe00:1%eth0', 1, '000080FE00000000FF00FC00010000FE:0001'],
  ['::ffff:192.0.2.2', 1, '0000000000000000FFFF0000020200C0:0001'],
  ['2001:DB8:1:2:3:4:5:6', 1, 'B80D0120020001000400030006000500:0001'],
])('%s port %d is written %s', (address, port, expected) => {
  expect(procAddress(address, port)).toBe(expected)
})
