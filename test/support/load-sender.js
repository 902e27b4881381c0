// Sends numbered StatsD datapoints at a steady rate, in a process of its own so that it disturbs nobody and nobody it:
// `load.<endpoint>:<number>|g`, numbers from 0 for each endpoint. Told 'stop', or after `count` in all, it says what it has sent.
import { createSocket } from 'node:dgram'

const {
  host = '127.0.0.1',
  ports,
  ratePerSecond,
  count = Number.POSITIVE_INFINITY,
  linesPerPacket = 1,
  firstName = 0,
} = JSON.parse(process.argv[2])
const tickMs = 5
const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
const sent = ports.map(() => 0)
let total = 0
let pending = 0
let stopped = false
const startMs = performance.now()

process.on('message', () => {
  stopped = true
})
// Where a run of tests is killed, its load must not go on at ports that others get next.
process.on('disconnect', () => process.exit())
const timer = setInterval(tick, tickMs)

function tick() {
  const due = Math.min(count, Math.floor(((performance.now() - startMs) * ratePerSecond) / 1000))
  while (total < due && !stopped) sendOne(Math.floor(total / linesPerPacket) % ports.length)
  if ((stopped || total >= count) && pending === 0) finish()
}

function sendOne(endpoint) {
  const lines = []
  for (let line = 0; line < linesPerPacket; line++) lines.push(`load.${firstName + endpoint}:${sent[endpoint]++}|g`)
  total += linesPerPacket
  pending++
  socket.send(lines.join('\n'), ports[endpoint], host, (error) => {
    pending--
    // What the kernel refuses to take was not sent: a test that counts must not count it.
    if (error) throw error
  })
}

function finish() {
  clearInterval(timer)
  const tookMs = performance.now() - startMs
  process.send({ sent, tookMs }, () => {
    process.disconnect()
    socket.close()
  })
}
