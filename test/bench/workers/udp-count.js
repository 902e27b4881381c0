// The floor of statsd-proxy: bare dgram sockets that only count.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { answer } from './answer.js'

let packets = 0

answer({
  async open({ sockets = 1 }) {
    const ports = []
    while (ports.length < sockets) ports.push(await openSocket())
    return { port: ports[0], ports }
  },
  count: () => packets,
})

async function openSocket() {
  const socket = createSocket('udp4')
  socket.on('message', () => {
    packets++
  })
  socket.bind({ port: 0, address: '127.0.0.1', exclusive: true })
  await once(socket, 'listening')
  socket.setRecvBufferSize(4 * 1024 * 1024)
  return socket.address().port
}
