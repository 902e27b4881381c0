// Reads everything from the embedded bus, as a group of its own.
import { answer, settings } from './answer.js'
import { importProduct } from './blocks.js'

const { program, busDir, topic, group } = settings
const { createEmbeddedBus } = await importProduct(program, 'bus/embedded.js')
const { Counters } = await importProduct(program, 'telemetry/counters.js')

const log = { debug() {}, info() {}, warn() {}, error() {} }
const stop = new AbortController()
const bus = createEmbeddedBus({ dir: busDir, log, counters: new Counters() })
await bus.open(stop.signal)

/** Only the messages of a trickle are so short. */
const shortBytes = 20
let count = 0
let arrivals = []
let enough = () => {}
let wanted = Number.POSITIVE_INFINITY

bus.subscribe({ topics: [topic], group, from: 'earliest' }, onBatch, stop.signal)

async function onBatch(messages) {
  const atNs = Number(process.hrtime.bigint())
  count += messages.length
  for (const { bytes } of messages) if (bytes.length < shortBytes) arrivals.push(atNs)
  if (count >= wanted) enough()
}

answer({
  ready: () => true,
  /** Resolves once so many messages were read since the start. */
  async until({ messages }) {
    wanted = messages
    if (count < wanted)
      await new Promise((resolve) => {
        enough = resolve
      })
    return count
  },
  arrivals() {
    const known = arrivals
    arrivals = []
    return known
  },
})
