import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findOwnDescriptors } from '../../src/platform/own-descriptors.js'

const linuxOnly = process.platform === 'linux' ? test : test.skip

linuxOnly('sockets are found by where they are bound; what is not ours, or only connected, is not', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'dcos-stats-fd-'))
  const udp = createSocket('udp4').bind(0, '127.0.0.1')
  const tcp = createServer().listen(0, '127.0.0.1')
  const unix = createServer().listen(join(folder, 's'))
  await Promise.all([udp, tcp, unix].map((each) => once(each, 'listening')))
  const { port } = tcp.address() as AddressInfo
  // A connection has the server's address, too.
  const client = connect(port, '127.0.0.1')
  await once(tcp, 'connection')

  const local = { host: '127.0.0.1' }
  const found = await findOwnDescriptors([
    { kind: 'udp', ...local, port: udp.address().port },
    { kind: 'tcp', ...local, port },
    { kind: 'unix', path: join(folder, 's') },
    { kind: 'tcp', ...local, port: client.localPort! },
    { kind: 'udp', host: '::1', port: udp.address().port },
    { kind: 'unix', path: join(folder, 'nobody') },
  ])
  expect(found).toEqual([expect.any(Number), expect.any(Number), expect.any(Number), undefined, undefined, undefined])
  const links = found.slice(0, 3).map((descriptor) => readlinkSync(`/proc/self/fd/${descriptor}`))
  expect(new Set(links).size).toBe(3)
  for (const link of links) expect(link).toMatch(/^socket:/)

  client.destroy()
  udp.close()
  tcp.close()
  unix.close()
  await rm(folder, { recursive: true })
})

linuxOnly('all are found although another process opens and closes sockets all the time', async () => {
  const sockets = await Promise.all(
    Array.from({ length: 1000 }, async () => {
      const socket = createSocket('udp4').bind(0, '127.0.0.1')
      await once(socket, 'listening')
      return socket
    }),
  )
  const churn = spawn(process.execPath, ['-e', openAndClose], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    await once(churn.stdout, 'data')
    const addresses = sockets.map(
      (socket) => ({ kind: 'udp', host: '127.0.0.1', port: socket.address().port }) as const,
    )
    for (let round = 0; round < 40; round++) {
      const descriptors = await findOwnDescriptors(addresses)
      expect(descriptors.filter((descriptor) => descriptor === undefined)).toEqual([])
    }
  } finally {
    churn.kill()
    for (const socket of sockets) socket.close()
  }
})

const openAndClose = `
const { createSocket } = require('node:dgram')
const open = []
function churn() {
  for (let count = 0; count < 20; count++) open.push(createSocket('udp4').bind(0, '127.0.0.1'))
  while (open.length > 200) open.shift().close()
  setImmediate(churn)
}
churn()
console.log('running')
`
