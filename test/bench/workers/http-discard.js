// Says yes to every write of InfluxDB's line protocol, and reads it to nowhere.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { answer } from './answer.js'

let bytes = 0
const server = createServer((request, response) => {
  request.on('data', (piece) => {
    bytes += piece.length
  })
  request.on('end', () => response.writeHead(204).end())
})

answer({
  async open() {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { port: server.address().port }
  },
  count: () => bytes,
})
