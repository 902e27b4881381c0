// A reader that inflates the blocks of every connection and does nothing else with them.
import { once } from 'node:events'
import { createServer } from 'node:net'
import { inflateRawSync } from 'node:zlib'
import { answer } from './answer.js'

const syncBytes = 16
let blocks = 0

const server = createServer((socket) => {
  let rest
  let started = false
  socket.on('error', () => {})
  socket.on('data', (piece) => {
    rest = rest === undefined ? piece : Buffer.concat([rest, piece])
    let at = started ? 0 : headerLength(rest)
    if (at === undefined) return
    started = true
    for (let next = takeBlock(rest, at); next !== undefined; next = takeBlock(rest, at)) at = next
    rest = at === rest.length ? undefined : rest.subarray(at)
  })
})

/** Where the header ends: behind the map's end and the marker. Undefined while it is not complete. */
function headerLength(bytes) {
  const schema = bytes.indexOf('avro.schema')
  const end = schema < 0 ? -1 : bytes.indexOf(0, schema + 'avro.schema'.length + 2)
  return end < 0 || end + 1 + syncBytes > bytes.length ? undefined : end + 1 + syncBytes
}

/** @returns the position behind the block, undefined where it is not complete */
function takeBlock(bytes, start) {
  const lists = readLong(bytes, start)
  const size = lists && readLong(bytes, lists.next)
  if (size === undefined || size.next + size.value + syncBytes > bytes.length) return undefined
  inflateRawSync(bytes.subarray(size.next, size.next + size.value))
  blocks++
  return size.next + size.value + syncBytes
}

function readLong(bytes, start) {
  let zigzag = 0
  for (let at = start, factor = 1; at < bytes.length; at++, factor *= 128) {
    zigzag += (bytes[at] & 127) * factor
    if (bytes[at] < 128) return { value: zigzag / 2, next: at + 1 }
  }
  return undefined
}

answer({
  async open() {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { port: server.address().port }
  },
  count: () => blocks,
})
