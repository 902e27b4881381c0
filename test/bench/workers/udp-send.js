// Sends ready-made packets: as fast as it can, or at a rate.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { answer, settings } from './answer.js'
import { statsdPackets } from './packets.js'

const packets = statsdPackets(settings)
const packetsPerTurn = 64
const paceMs = 1
const sockets = new Map()
let next = 0

answer({
  /**
   * @param packets how many, but not for longer than `limitSeconds`
   * @returns how many packets were sent, and in which time
   */
  async send({ ports, packets: total, packetsPerSecond, limitSeconds = 60 }) {
    const targets = []
    for (const port of ports) targets.push(await socketTo(port))
    const startMs = performance.now()
    const endMs = startMs + limitSeconds * 1000
    let sent = 0
    for (let nowMs = startMs; nowMs < endMs && sent < total; nowMs = performance.now()) {
      const due = Math.min(total, packetsPerSecond === undefined ? sent + packetsPerTurn : dueAt(nowMs - startMs))
      for (; sent < due; sent++) sendOne(targets[sent % targets.length])
      if (packetsPerSecond === undefined) await new Promise((resolve) => setImmediate(resolve))
      else await new Promise((resolve) => setTimeout(resolve, paceMs))
    }
    return { packets: sent, ms: performance.now() - startMs }

    function dueAt(ms) {
      return Math.ceil((packetsPerSecond * ms) / 1000)
    }
  },
})

function sendOne(socket) {
  socket.send(packets[next])
  next = next + 1 === packets.length ? 0 : next + 1
}

async function socketTo(port) {
  const known = sockets.get(port)
  if (known !== undefined) return known
  const socket = createSocket('udp4')
  sockets.set(port, socket)
  socket.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}
