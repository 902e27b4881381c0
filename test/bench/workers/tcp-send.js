// Sends ready-made blocks over any number of connections, as fast as they are taken or at a rate.
import { once } from 'node:events'
import { connect } from 'node:net'
import { answer, settings } from './answer.js'
import { ocfBlocks } from './blocks.js'

const { program, lists, datapoints, codec, series, senders = settings.connections } = settings
const datapointsPerBlock = lists * datapoints
const flooded = 64 * 1024
const paceMs = 2
const streams = new Map()

answer({
  /**
   * @param total datapoints, over all connections; whole blocks are sent
   * @returns how many were sent, and in which time
   */
  async send({
    port,
    topic = 'bench',
    connections = settings.connections,
    datapoints: total,
    perSecond,
    limitSeconds = 60,
  }) {
    const open = await connectionsTo(port, topic, connections)
    const startMs = performance.now()
    const endMs = startMs + limitSeconds * 1000
    let left = Math.ceil(total / datapointsPerBlock)
    const take = () => {
      const nowMs = performance.now()
      if (left === 0 || nowMs > endMs) return undefined
      const due =
        perSecond === undefined ? Number.POSITIVE_INFINITY : (perSecond * (nowMs - startMs)) / 1000 / datapointsPerBlock
      const sent = Math.ceil(total / datapointsPerBlock) - left
      if (sent > due) return false
      left--
      return true
    }
    const counts = await Promise.all(open.map((stream) => sendOn(stream, take)))
    const blocks = counts.reduce((sum, count) => sum + count, 0)
    return { datapoints: blocks * datapointsPerBlock, ms: performance.now() - startMs }
  },
})

async function sendOn(stream, take) {
  let count = 0
  for (;;) {
    const turn = take()
    if (turn === undefined) return count
    if (turn === false) await new Promise((resolve) => setTimeout(resolve, paceMs))
    else {
      stream.socket.write(stream.blocks[stream.next++ % stream.blocks.length])
      count++
      if (stream.socket.writableLength > flooded) await once(stream.socket, 'drain')
    }
  }
}

async function connectionsTo(port, topic, connections) {
  const key = `${port} ${topic} ${connections}`
  const known = streams.get(key)
  if (known !== undefined) return known
  const opened = []
  for (let i = 0; i < connections; i++) opened.push(await openStream(port, topic, i % senders))
  streams.set(key, opened)
  return opened
}

const contents = new Map()

async function openStream(port, topic, sender) {
  const key = `${topic} ${sender}`
  const content = contents.get(key) ?? (await ocfBlocks({ program, lists, datapoints, codec, series, topic, sender }))
  contents.set(key, content)
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  socket.resume()
  socket.write(content.header)
  return { socket, blocks: content.blocks, next: 0 }
}
