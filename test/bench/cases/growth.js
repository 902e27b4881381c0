import { join } from 'node:path'
import { alternate, median, ratioOf } from '../support/figures.js'
import { core, costOf, startWorker } from '../support/processes.js'
import { checkLedger, startCollector, startProxy } from '../support/stack.js'
import { kernelDropsAt, memoryMbytesOf } from '../support/usage.js'

const part = 'growth'
const target = 1.2
const lines = 30
const packets = 4000
/** Below what the proxy takes: a thousand full socket buffers at once would be more than it may hold for the collector. */
const packetsPerSecond = 4000
const manyMbytes = 150

/** With how many seconds they take about. */
const proxies = {
  containers: {
    seconds: 45,
    few: { name: '1 container', containers: 1, series: 200 },
    many: { name: '1,000 containers', containers: 1000, series: 200 },
  },
  series: {
    seconds: 25,
    few: { name: '100 series', containers: 1, series: 100 },
    many: { name: '100,000 series', containers: 1, series: 100_000 },
  },
}
const connections = [1, 1000]
const load = 1_000_000

/** CPU of a datapoint must not grow with what else there is. */
export default async function growth(bench) {
  for (const [what, sizes] of Object.entries(proxies)) {
    if (bench.isWanted(what) && !(bench.quick && what === 'series'))
      await bench.step(`growth: ${what}`, () => measureProxies(bench, what, sizes), sizes.seconds)
  }
  if (bench.isWanted('connections')) await bench.step('growth: connections', () => measureConnections(bench), 12)
}

async function measureProxies(bench, what, sizes) {
  const { few, many } = sizes
  const reader = startWorker('tcp-discard')
  const collectorPort = (await reader.call('open')).port
  const subjects = {}
  for (const [size, { containers, series }] of Object.entries({ few, many })) {
    const count = bench.quick ? Math.min(containers, 100) : containers
    const dir = join(bench.dir, `growth-${what}-${size}`)
    const proxy = await startProxy({
      program: bench.program,
      dir,
      collectorPort,
      containers: count,
      core: core.measured,
    })
    const idleMbytes = memoryMbytesOf(proxy.pid).rss
    subjects[size] = { ...proxy, idleMbytes, sender: startWorker('udp-send', { lines, series }), sent: 0 }
  }
  const floors = what === 'containers' ? await startFloors(subjects) : {}
  const rounds = {}
  for (const [size, subject] of Object.entries({ ...subjects, ...floors })) rounds[size] = () => round(bench, subject)
  await alternate(2, rounds)
  const samples = await alternate(bench.rounds, rounds)
  report(bench, samples, { few: `statsd-proxy, ${few.name}`, many: `statsd-proxy, ${many.name}` }, 'µs/line')
  if (what === 'containers') reportFloors(bench, samples, sizes)
  if (what === 'containers' && !bench.quick) {
    const value = subjects.many.idleMbytes
    const memory = { unit: 'MiB', value, target: manyMbytes, subject: 'dcos-stats' }
    bench.report({ part, case: `idle: memory of statsd-proxy with ${many.name}`, ...memory })
  }
  for (const { stop, sender, sent } of Object.values(subjects)) {
    const [ledger] = await stop()
    checkLedger(ledger, { received: sent, lost: 0 })
    await sender.end()
  }
  for (const floor of Object.values(floors)) await floor.end()
  await reader.end()
}

/** Bare sockets cost more, too, when there are a thousand of them: so much of the growth is not the proxy's. */
async function startFloors(subjects) {
  const floors = {}
  for (const [size, { ports, sender }] of Object.entries(subjects)) {
    const floor = startWorker('udp-count', {}, { core: core.measured })
    floors[`${size}Floor`] = { ...floor, ...(await floor.call('open', { sockets: ports.length })), sender, sent: 0 }
  }
  return floors
}

function reportFloors(bench, samples, sizes) {
  const few = { part, case: sizes.few.name, subject: 'dgram, counting packets', unit: 'µs/line' }
  bench.report({ ...few, ...costs(samples.fewFloor) })
  const ratio = ratioOf(samples.manyFloor, samples.fewFloor, 'cpuUs')
  bench.report({ ...few, case: sizes.many.name, ...costs(samples.manyFloor), ratio, base: sizes.few.name })
}

function round(bench, subject) {
  const { pid, ports, sender } = subject
  const drops = () => kernelDropsAt(...ports)
  return costOf(pid, async () => {
    const before = drops()
    const given = { ports, packets: bench.share(packets), packetsPerSecond }
    const sent = await sender.call('send', { ...given, limitSeconds: bench.roundLimitSeconds })
    const taken = (sent.packets - (drops() - before)) * lines
    subject.sent += taken
    return taken
  })
}

async function measureConnections(bench) {
  const { program } = bench
  const [few, many] = connections
  const dir = join(bench.dir, 'growth-connections')
  const subjects = {}
  for (const [size, count] of Object.entries({ few, many })) {
    const flags = { containers: 20, core: core.measured }
    const collector = await startCollector({ program, dir: join(dir, size), bus: 'none', ...flags })
    const settings = { program, lists: 10, datapoints: 10, senders: 20, connections: count }
    subjects[size] = { collector, sender: startWorker('tcp-send', settings), sent: 0 }
  }
  const roundOf = (subject) => () =>
    costOf(subject.collector.pid, async () => {
      const given = { port: subject.collector.port, datapoints: bench.share(load) }
      const { datapoints } = await subject.sender.call('send', { ...given, limitSeconds: bench.roundLimitSeconds })
      subject.sent += datapoints
      return datapoints
    })
  const rounds = { few: roundOf(subjects.few), many: roundOf(subjects.many) }
  await alternate(1, rounds)
  const samples = await alternate(bench.rounds, rounds)
  const title = (count) => `collector, ${count.toLocaleString('en')} connection${count === 1 ? '' : 's'}`
  report(bench, samples, { few: title(few), many: title(many) }, 'µs/datapoint')
  for (const { collector, sender, sent } of Object.values(subjects)) {
    const [ledger] = await collector.stop()
    checkLedger(ledger, { received: sent, forwarded: sent, lost: 0 })
    await sender.end()
  }
}

function report(bench, samples, titles, unit) {
  for (const size of ['few', 'many']) {
    bench.report({
      part,
      case: titles[size],
      subject: 'dcos-stats',
      unit,
      ...costs(samples[size]),
      ...(size === 'many' && { ratio: ratioOf(samples.many, samples.few, 'cpuUs'), base: titles.few, target }),
    })
  }
}

function costs(samples) {
  return { cpu: median(samples.map(({ cpuUs }) => cpuUs)), wall: median(samples.map(({ wallUs }) => wallUs)) }
}
