// Publishes on the embedded bus.
import { answer, settings } from './answer.js'
import { importProduct } from './blocks.js'

const { program, busDir, topic } = settings
const { createEmbeddedBus } = await importProduct(program, 'bus/embedded.js')
const { Counters } = await importProduct(program, 'telemetry/counters.js')

const log = { debug() {}, info() {}, warn() {}, error() {} }
const bus = createEmbeddedBus({ dir: busDir, log, counters: new Counters(), retentionMbytes: 512 })
await bus.open(new AbortController().signal)

const messagesAtOnce = 32
const inFlight = 4

answer({
  ready: () => true,
  /** @returns in which time so many messages were durable */
  async write({ messages, bytes }) {
    let left = messages
    const startMs = performance.now()
    await Promise.all(Array.from({ length: inFlight }, writeOn))
    return { ms: performance.now() - startMs }

    async function writeOn() {
      while (left > 0) {
        const count = Math.min(left, messagesAtOnce)
        left -= count
        await bus.publish(
          topic,
          Array.from({ length: count }, (_, i) => messageOf(`key-${(left + i) % 16}`, bytes)),
        )
      }
    }
  },
  /** One message after the other. @returns when each was given to the bus, and when it was durable, in nanoseconds */
  async trickle({ messages, periodMs }) {
    const published = []
    for (let number = 0; number < messages; number++) {
      const atNs = Number(process.hrtime.bigint())
      await bus.publish(topic, [{ key: 'one', bytes: Buffer.from(String(number)) }])
      published.push([atNs, Number(process.hrtime.bigint())])
      await new Promise((resolve) => setTimeout(resolve, periodMs))
    }
    return published
  },
})

function messageOf(key, bytes) {
  return { key, bytes: Buffer.alloc(bytes, key) }
}
