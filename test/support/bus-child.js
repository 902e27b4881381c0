// One process of its own on an embedded bus: `node bus-child.js <home of the build> <bus dir> <role> <JSON>`.
// Lines on stdout tell the test what happened; what a line says has happened before.
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [home, dir, role, json] = process.argv.slice(2)
const settings = JSON.parse(json ?? '{}')
const load = (path) => import(pathToFileURL(join(home, 'dist', path)).href)
const { createEmbeddedBus } = await load('bus/embedded.js')
const { Counters } = await load('telemetry/counters.js')

const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
const say = (words) => writeSync(1, `${JSON.stringify(words)}\n`)
const log = Object.fromEntries(
  ['debug', 'info', 'warn', 'error'].map((level) => [level, (...args) => say({ level, args })]),
)

try {
  const bus = createEmbeddedBus({ dir, log, counters: new Counters(), ...settings.options })
  await bus.open(stop.signal)
  say({ open: process.pid })
  await { publish, consume, latency }[role](bus)
  await bus.close()
  say({ closed: true })
} catch (error) {
  say({ code: error.code, exitCode: error.exitCode, message: error.message })
  process.exitCode = error.exitCode ?? 1
}

// Numbered messages, until told to stop or all are sent; tells each range that was acknowledged.
async function publish(bus) {
  const {
    topic,
    total = Number.POSITIVE_INFINITY,
    first = 0,
    batch = 10,
    keys = 16,
    bytes = 0,
    inFlight = 4,
    tries = 0,
  } = settings
  let next = first
  let failures = 0
  const filler = 'x'.repeat(bytes)
  const one = async () => {
    while (next < first + total && !stop.signal.aborted) {
      const from = next
      const count = Math.min(batch, first + total - from)
      next += count
      const messages = Array.from({ length: count }, (_, at) => ({
        key: `key-${(from + at) % keys}`,
        bytes: Buffer.from(`${from + at} ${filler}`),
      }))
      try {
        await bus.publish(topic, messages)
        if (!settings.quiet) say({ acked: [from, count] })
      } catch (error) {
        say({ failed: [from, count], code: error.code, exitCode: error.exitCode, message: error.message })
        failures++
        if (failures >= tries) return
      }
    }
  }
  await Promise.all(Array.from({ length: inFlight }, one))
}

// Tells the numbers of each batch, before it is committed; with `delayMs` the "sink" takes its time. On SIGUSR2 it tells
// how many messages of its partitions are not committed yet.
async function consume(bus) {
  const { delayMs = 0, until, pattern, topics, quiet, ...subscription } = settings
  let count = 0
  process.on('SIGUSR2', () => say({ lag: bus.lag().reduce((sum, { messages }) => sum + messages, 0) }))
  const handle = async (messages) => {
    if (!quiet)
      say({ got: messages.map(({ bytes }) => Number.parseInt(Buffer.from(bytes).toString('latin1', 0, 20), 10)) })
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
    count += messages.length
    if (until !== undefined && count >= until) {
      say({ done: count, atMs: Date.now() })
      stop.abort()
    }
  }
  const wanted = pattern === undefined ? topics : new RegExp(pattern)
  await bus.subscribe({ from: 'earliest', ...subscription, topics: wanted }, handle, stop.signal)
}

// Tells for each message how long ago it was sent, by the clock that all processes of the machine share.
async function latency(bus) {
  const { topic, group } = settings
  await bus.subscribe(
    { topics: [topic], group, from: 'earliest' },
    async (messages) => {
      const nowNs = process.hrtime.bigint()
      say({ latencyNs: messages.map(({ bytes }) => Number(nowNs - BigInt(Buffer.from(bytes).toString()))) })
    },
    stop.signal,
  )
}
