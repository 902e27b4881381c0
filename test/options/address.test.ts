import { parseHostPort, parseListenAddress } from '../../src/options/address.js'
import { formatAddress } from '../../src/platform/hosts.js'

test.each<[rule: string, written: string, address: ReturnType<typeof parseListenAddress>]>([
  ['a name', 'kafka.mesos:9092', { kind: 'tcp', host: 'kafka.mesos', port: 9092 }],
  ['an IPv4 address', '127.0.0.1:0', { kind: 'tcp', host: '127.0.0.1', port: 0 }],
  ['an IPv6 address', '[fe80::1%eth0]:80', { kind: 'tcp', host: 'fe80::1%eth0', port: 80 }],
  ['a unix socket', 'unix:/run/a b.sock', { kind: 'unix', path: '/run/a b.sock' }],
])('%s is read and written back', (_rule, written, address) => {
  expect(parseListenAddress(written)).toEqual(address)
  expect(address && formatAddress(address)).toBe(written)
})

test.each([
  '',
  'host',
  'host:',
  ':80',
  'host:65536',
  'host:8o',
  '::1:80',
  '[::1]',
  'a b:80',
  'http://a:80',
  'unix:',
])('refuses %j', (written) => {
  expect(parseListenAddress(written)).toBeUndefined()
  expect(parseHostPort(written)).toBeUndefined()
})
