import { join } from 'node:path'
import { alternate, median, ratioOf } from '../support/figures.js'
import { startPeers } from '../support/peers.js'
import { core, costOf, startWorker } from '../support/processes.js'
import { checkLedger, startProxy } from '../support/stack.js'
import { kernelDropsAt } from '../support/usage.js'

const cases = [
  { name: '1 line a packet, 3 tags', lines: 1, packets: 80_000, target: 1.2 },
  { name: '30 lines a packet, no tags', lines: 30, tags: false, packets: 20_000, target: 2.3 },
  { name: '30 lines a packet, 3 tags', lines: 30, packets: 20_000, target: 3, peerTargets: true },
  { name: '20,000 packets/s of 1 line', lines: 1, packets: 20_000, packetsPerSecond: 20_000, target: 1.5 },
  { name: '3,000 packets/s of 30 lines', lines: 30, packets: 4500, packetsPerSecond: 3000, rests: true, target: 1.7 },
]
/** Of the CPU of the best of these, as far as they are there. */
const peerTargets = [
  { base: 'statsdproxy (Rust)', of: ['statsdproxy (Rust)'], target: 0.5 },
  { base: 'the best Go peer', of: ['gostatsd', 'statsd_exporter', 'telegraf'], target: 0.3 },
]
/** Compiled code is what is measured: after about two million lines V8 changes nothing any more. */
const warmUp = { packets: 20_000, lines: 2_400_000, rounds: 10 }
/** Compiled ahead, or only compared. */
const peerWarmUpRounds = 1
/** Behind the bursts of its warm-up the proxy sleeps less, for twelve seconds; at a rate it is not compiled anew. */
const restMs = 12_500

/** CPU of the whole proxy for each line, over that of a socket that only counts packets. */
export default async function proxy(bench) {
  for (const each of cases.filter(({ name }) => bench.isWanted(name)))
    await bench.step(`statsd-proxy: ${each.name}`, () => measureCase(bench, each))
}

async function measureCase(
  bench,
  { name, lines, tags, packets, packetsPerSecond, rests = false, target, peerTargets: isCompared },
) {
  const sender = startWorker('udp-send', { lines, tags })
  const reader = startWorker('tcp-discard')
  const floor = await startFloor()
  const ours = await startProxy({
    program: bench.program,
    dir: join(bench.dir, `proxy-${lines}-${packetsPerSecond ?? 'flood'}${tags === false ? '-untagged' : ''}`),
    core: core.measured,
    collectorPort: (await reader.call('open')).port,
  })
  const peers = packetsPerSecond === undefined ? await startPeers(bench) : []
  const subjects = { floor, ours: { pid: ours.pid, port: ours.ports[0] } }
  for (const peer of peers) subjects[peer.name] = peer

  const sent = Object.fromEntries(
    Object.keys(subjects).map((subject) => [subject, { packets: 0, drops: 0, dropsAtRate: 0 }]),
  )
  const roundOf = (load) =>
    Object.fromEntries(Object.keys(subjects).map((subject) => [subject, () => round(subject, load)]))
  for (const subject of Object.keys(subjects)) {
    let taken = 0
    const most = peers.some(({ name }) => name === subject) ? peerWarmUpRounds : warmUp.rounds
    for (let tries = 0; tries < (bench.quick ? 1 : most) && taken < bench.share(warmUp.lines); tries++) {
      taken += (await round(subject, { packets: bench.share(warmUp.packets) })).units
    }
  }
  const rounds = roundOf({ packets: bench.share(packets), packetsPerSecond })
  if (rests && !bench.quick) {
    await new Promise((resolve) => setTimeout(resolve, restMs))
    await alternate(1, rounds)
  }
  const samples = await alternate(bench.rounds, rounds)

  async function round(subject, load) {
    const { pid, port } = subjects[subject]
    return costOf(pid, async () => {
      const dropsBefore = kernelDropsAt(port)
      const given = { ports: [port], ...load, limitSeconds: bench.roundLimitSeconds }
      const { packets } = await sender.call('send', given)
      const drops = kernelDropsAt(port) - dropsBefore
      sent[subject].packets += packets
      sent[subject].drops += drops
      if (load.packetsPerSecond !== undefined) sent[subject].dropsAtRate += drops
      return (packets - drops) * lines
    })
  }

  for (const subject of Object.keys(subjects)) {
    bench.report({
      part: 'statsd-proxy',
      case: name,
      subject: subject === 'floor' ? 'dgram, counting packets' : subject === 'ours' ? 'dcos-stats' : subject,
      unit: 'µs/line',
      cpu: median(samples[subject].map(({ cpuUs }) => cpuUs)),
      wall: median(samples[subject].map(({ wallUs }) => wallUs)),
      ...(subject !== 'floor' && { ratio: ratioOf(samples[subject], samples.floor, 'cpuUs') }),
      ...(subject === 'ours' && { target }),
    })
  }
  if (isCompared) reportOverPeers(bench, name, samples)
  await proveCounts({ sent, lines, ours, floor, reader })
  for (const each of [sender, reader, floor, ...peers]) await each.end()
}

function reportOverPeers(bench, name, samples) {
  for (const { base, of, target } of peerTargets) {
    const there = of.filter((peer) => samples[peer] !== undefined)
    if (there.length === 0) continue
    const best = samples.ours.map((_, round) => ({
      cpuUs: Math.min(...there.map((peer) => samples[peer][round].cpuUs)),
    }))
    const cpu = median(samples.ours.map(({ cpuUs }) => cpuUs))
    const compared = { unit: 'µs/line', cpu, ratio: ratioOf(samples.ours, best, 'cpuUs'), base, target }
    bench.report({ part: 'statsd-proxy', case: name, subject: 'dcos-stats', ...compared })
  }
}

async function startFloor() {
  const floor = startWorker('udp-count', {}, { core: core.measured })
  return { ...floor, ...(await floor.call('open')) }
}

/** What was sent came in, was dropped by the kernel, or the bench fails; all of it reached the reader. */
async function proveCounts({ sent, lines, ours, floor, reader }) {
  const counted = await floor.call('count')
  if (counted !== sent.floor.packets - sent.floor.drops)
    throw new Error(`the floor counted ${counted} of ${JSON.stringify(sent.floor)} packets`)
  const { dropsAtRate } = sent.ours
  if (dropsAtRate > 0) throw new Error(`the kernel dropped ${dropsAtRate} packets of those sent at a rate`)
  const [ledger] = await ours.stop()
  checkLedger(ledger, { received: (sent.ours.packets - sent.ours.drops) * lines, lost: 0 })
  const bytes = await reader.call('count')
  if (bytes === 0) throw new Error('nothing reached the reader')
}
