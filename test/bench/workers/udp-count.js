// The floor of statsd-proxy: a bare dgram socket that only counts.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { answer } from './answer.js'

const socket = createSocket('udp4')
let packets = 0
socket.on('message', () => {
  packets++
})

answer({
  async open() {
    socket.bind({ port: 0, address: '127.0.0.1', exclusive: true })
    await once(socket, 'listening')
    socket.setRecvBufferSize(4 * 1024 * 1024)
    return { port: socket.address().port }
  },
  count: () => packets,
})
