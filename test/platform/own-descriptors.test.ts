import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findOwnDescriptors } from '../../src/platform/own-descriptors.js'
import { procAddress } from '../../src/platform/proc-net.js'

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

linuxOnly(
  'a row that the kernel leaves out, because another socket was closed meanwhile, is found by asking again',
  async () => {
    const sockets = Array.from({ length: 3 }, () => createSocket('udp4').bind(0, '127.0.0.1'))
    await Promise.all(sockets.map((socket) => once(socket, 'listening')))
    const ports = sockets.map((socket) => socket.address().port)
    let readings = 0
    const readTable = async (table: string) => {
      const leftOut = ports[readings++]
      const rows = (await readFile(`/proc/self/net/${table}`, 'utf8')).split('\n')
      return rows.filter((row) => leftOut === undefined || !row.includes(procAddress('127.0.0.1', leftOut))).join('\n')
    }

    const addresses = ports.map((port) => ({ kind: 'udp', host: '127.0.0.1', port }) as const)
    expect(await findOwnDescriptors(addresses, readTable)).toEqual(ports.map(() => expect.any(Number)))
    expect(readings).toBe(2)
    for (const socket of sockets) socket.close()
  },
)
