// Sends lines that carry their own time, and reads them from what `consume` prints on stdin.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { answer } from './answer.js'

const name = Buffer.from('bench.delay"')
const value = Buffer.from('"value":')
const socket = createSocket('udp4')
let delaysMs = []
let rest = Buffer.alloc(0)
let arrived = () => {}

process.stdin.on('data', (piece) => {
  const nowMs = now()
  const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece])
  const lastLine = bytes.lastIndexOf(10) + 1
  for (let at = bytes.indexOf(name); at >= 0 && at < lastLine; at = bytes.indexOf(name, at + 1)) {
    const start = bytes.indexOf(value, at) + value.length
    delaysMs.push(nowMs - Number.parseFloat(bytes.toString('latin1', start, start + 24)))
  }
  rest = bytes.subarray(lastLine)
  arrived()
})

answer({
  /** One line a period. @returns how long each took, in milliseconds */
  async probe({ port, lines, periodMs, limitMs }) {
    delaysMs = []
    socket.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    for (let sent = 0; sent < lines; sent++) {
      socket.send(`bench.delay:${now()}|g`)
      await new Promise((resolve) => setTimeout(resolve, periodMs))
    }
    const deadline = performance.now() + limitMs
    while (delaysMs.length < lines && performance.now() < deadline) {
      await new Promise((resolve) => {
        arrived = resolve
        setTimeout(resolve, 100)
      })
    }
    socket.disconnect()
    return delaysMs
  },
})

function now() {
  return performance.timeOrigin + performance.now()
}
