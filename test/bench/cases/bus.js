import { join } from 'node:path'
import { median, percentile } from '../support/figures.js'
import { core, startWorker } from '../support/processes.js'
import { cpuMsOf } from '../support/usage.js'

const bytes = 4096
const messages = 10_000
const trickled = 300
const readerCounts = [0, 1, 3]

/** Messages and MB a second, and how soon a reader in another process learns of a message. */
export default async function bus(bench) {
  for (const readers of bench.quick ? [1] : readerCounts) {
    const name = `1 writer, ${readers} reader${readers === 1 ? '' : 's'}`
    if (bench.isWanted(name)) await bench.step(`embedded bus: ${name}`, () => measureThroughput(bench, name, readers))
  }
  if (bench.isWanted('wake-up')) await bench.step('embedded bus: wake-up', () => measureWakeUp(bench))
}

async function start(bench, name, readers) {
  const settings = {
    program: bench.program,
    busDir: join(bench.dir, `bus-${name.replaceAll(' ', '-')}`),
    topic: 'bench',
  }
  const writer = startWorker('bus-write', settings, { core: core.measured })
  await writer.call('ready')
  const reading = Array.from({ length: readers }, (_, i) => startWorker('bus-read', { ...settings, group: `g${i}` }))
  for (const reader of reading) await reader.call('ready')
  return { writer, reading, end: () => Promise.all([writer, ...reading].map((worker) => worker.end())) }
}

async function measureThroughput(bench, name, readers) {
  const { writer, reading, end } = await start(bench, name, readers)
  const samples = []
  let total = 0
  for (let round = 0; round <= bench.rounds; round++) {
    const count = bench.share(messages)
    total += count
    const startMs = performance.now()
    const cpuMs = cpuMsOf(writer.pid)
    await writer.call('write', { messages: count, bytes })
    const cpuUs = ((cpuMsOf(writer.pid) - cpuMs) * 1000) / count
    const read = await Promise.all(reading.map((reader) => reader.call('until', { messages: total })))
    if (read.some((seen) => seen !== total)) throw new Error(`readers have ${read} of ${total} messages`)
    samples.push({ cpuUs, perSecond: (count * 1000) / (performance.now() - startMs) })
  }
  // The first round warms up.
  const perSecond = median(samples.slice(1).map((sample) => sample.perSecond))
  const shared = { part: 'embedded bus', case: `${name}, messages of 4 KiB`, subject: 'dcos-stats' }
  bench.report({ ...shared, unit: 'messages/s', value: perSecond })
  bench.report({ ...shared, unit: 'MB/s', value: (perSecond * bytes) / 1e6 })
  const cpu = median(samples.slice(1).map(({ cpuUs }) => cpuUs))
  bench.report({ ...shared, unit: 'µs/message, writer', cpu, wall: 1e6 / perSecond })
  await end()
}

async function measureWakeUp(bench) {
  const { writer, reading, end } = await start(bench, 'wake', 1)
  const count = bench.share(trickled)
  const published = await writer.call('trickle', { messages: count, periodMs: 7 })
  await reading[0].call('until', { messages: count })
  const arrivals = await reading[0].call('arrivals')
  if (arrivals.length !== count) throw new Error(`${arrivals.length} of ${count} messages arrived one by one`)
  const fromPublish = arrivals.map((atNs, i) => (atNs - published[i][0]) / 1e6)
  const fromDurable = arrivals.map((atNs, i) => (atNs - published[i][1]) / 1e6)
  for (const percent of [50, 99]) {
    const shared = { part: 'embedded bus', subject: `dcos-stats, p${percent}`, unit: 'ms' }
    bench.report({ ...shared, case: 'from publish to a reader', value: percentile(fromPublish, percent) })
    bench.report({ ...shared, case: 'from durable to a reader', value: percentile(fromDurable, percent) })
  }
  await end()
}
