// Takes any number of connections and reads them to nowhere.
import { once } from 'node:events'
import { createServer } from 'node:net'
import { answer } from './answer.js'

let bytes = 0
const server = createServer((socket) => {
  socket.on('error', () => {})
  socket.on('data', (piece) => {
    bytes += piece.length
  })
})

answer({
  async open() {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { port: server.address().port }
  },
  count: () => bytes,
})
