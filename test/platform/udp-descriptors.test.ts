import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'
import { findUdpDescriptor } from '../../src/platform/udp-descriptors.js'

const linuxOnly = process.platform === 'linux' ? test : test.skip

linuxOnly('each of those that ask at once, and later, gets the descriptor of its own socket', async () => {
  const sockets = Array.from({ length: 20 }, () => createSocket('udp4').bind(0, '127.0.0.1'))
  await Promise.all(sockets.map((socket) => once(socket, 'listening')))
  const first = findUdpDescriptor(sockets[0]!)
  const atOnce = await Promise.all([first, ...sockets.slice(1).map(findUdpDescriptor)])
  const links = atOnce.map((descriptor) => readlinkSync(`/proc/self/fd/${descriptor}`))
  expect(new Set(links).size).toBe(sockets.length)
  for (const link of links) expect(link).toMatch(/^socket:/)
  expect(await findUdpDescriptor(sockets[7]!)).toBe(atOnce[7])
  for (const socket of sockets) socket.close()
})

linuxOnly('a socket at all addresses, and one of IPv6', async () => {
  const [any, six] = [createSocket('udp4').bind(0, '0.0.0.0'), createSocket('udp6').bind(0, '::1')]
  await Promise.all([any, six].map((socket) => once(socket, 'listening')))
  const [one, other] = await Promise.all([any, six].map(findUdpDescriptor))
  expect([typeof one, typeof other, one === other]).toEqual(['number', 'number', false])
  any.close()
  six.close()
})
