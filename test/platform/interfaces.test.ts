import type { NetworkInterfaceInfo } from 'node:os'
import { addressOfInterface } from '../../src/platform/interfaces.js'

function at(family: 'IPv4' | 'IPv6', address: string): NetworkInterfaceInfo {
  return { family, address, netmask: '', mac: '', internal: false, cidr: null, scopeid: 0 } as NetworkInterfaceInfo
}

const interfaces = {
  lo: [at('IPv4', '127.0.0.1'), at('IPv4', '127.0.0.2'), at('IPv6', '::1')],
  eth0: [at('IPv6', 'fe80::1'), at('IPv6', 'fd00::2'), at('IPv4', '192.0.2.2')],
  eth1: [at('IPv6', 'fe80::7')],
  eth2: [at('IPv4', '192.0.2.3')],
  down: [],
}

test.each([
  ['the first IPv4 address, and IPv6', 'lo', { ipv4: '127.0.0.1', ipv6: '::1' }],
  ['an IPv6 address that is good beyond its link', 'eth0', { ipv4: '192.0.2.2', ipv6: 'fd00::2' }],
  ['a link-local address with its zone where there is no other', 'eth1', { ipv6: 'fe80::7%eth1' }],
  ['IPv4 alone', 'eth2', { ipv4: '192.0.2.3' }],
])('an interface has %s', (_rule, name, expected) => {
  expect(addressOfInterface(name, interfaces)).toEqual(expected)
})

test.each([
  'eth9',
  'down',
  '',
])('an interface that cannot be used is refused, and the others are named: "%s"', (name) => {
  expect(() => addressOfInterface(name, interfaces)).toThrow(
    expect.objectContaining({
      code: 'DS_INTERFACE',
      exitCode: 78,
      message: expect.stringContaining(`"${name}" with an address here; there are: lo, eth0, eth1, eth2, down.`),
    }),
  )
})

test('the loopback interface of this machine is found', () => {
  const loopback = process.platform === 'linux' ? 'lo' : 'lo0'
  expect(addressOfInterface(loopback).ipv4).toBe('127.0.0.1')
})
