// What a collector costs that decodes everything with avsc, adds its tags and encodes everything again.
import { once } from 'node:events'
import { createServer } from 'node:net'
import avsc from 'avsc'
import { answer } from './answer.js'
import { metricListType } from './blocks.js'

const listsPerMessage = 1024
let batch = []
let datapoints = 0
let bytes = 0

const server = createServer((socket) => {
  const decoder = new avsc.streams.BlockDecoder()
  socket.on('error', () => {})
  socket.pipe(decoder)
  decoder.on('data', (list) => {
    list.tags.push({ key: 'framework_name', value: 'marathon' }, { key: 'agent_id', value: 'bench-agent' })
    datapoints += list.datapoints.length
    batch.push(list)
    if (batch.length >= listsPerMessage) write()
  })
})

function write() {
  // A message without its header and block head, which cost next to nothing.
  bytes += Buffer.concat(batch.map((list) => metricListType.toBuffer(list))).length
  batch = []
}

answer({
  async open() {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { port: server.address().port }
  },
  count: () => datapoints,
  bytes: () => bytes,
})
