// Measures what deploy/SIZING.md is computed from besides `npm run bench`, on this machine: a whole node at its rate, and a simulated
// cluster. `npm run build`, then `node test/sizing/measure.js [--seconds 60] [--update]`. Needs Linux. Prints the figures; --update
// also writes them, and all that follows from them, into the page.
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import snappy from 'snappy'
import { startSimulatedAgent } from '../../dist/agent/simulated-agent.js'
import { createEmbeddedBus } from '../../dist/bus/embedded.js'
import { Counters } from '../../dist/telemetry/counters.js'
import { silentLog } from '../../dist/telemetry/log.js'
import { renderSizing, sizingPath, withMeasured } from './tables.js'

const { values: given } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    // Of the simulated cluster: 1,000 nodes of 1,000 datapoints a second would be a million.
    'cluster-rate': { type: 'string', default: '1000000' },
    'cluster-seconds': { type: 'string', default: '10' },
    update: { type: 'boolean', default: false },
  },
})
const seconds = Number(given.seconds)
const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'dcos-stats-sizing-'))
const running = new Set()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  rmSync(dir, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

const CONTAINERS = 100
const METRICS = 100
const PERIOD_S = 10

const inputs = {}
for (const [name, linesPerPacket, chunkDatapoints] of [
  ['bursts', 25, 100],
  ['lines', 1, 100],
  ['gathered', 1, 10_000],
]) {
  Object.assign(inputs, prefixed(name, await measureNode(name, linesPerPacket, chunkDatapoints)))
}
Object.assign(inputs, prefixed('cluster', await measureCluster()))
process.stdout.write(`${JSON.stringify({ machine: machine(), inputs }, undefined, 2)}\n`)
if (given.update) writeFileSync(sizingPath, renderSizing(withMeasured(readFileSync(sizingPath, 'utf8'), inputs)))
process.exit()

function prefixed(name, values) {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [`${name}.${key}`, value]))
}

function machine() {
  const [{ model }] = cpus()
  return `${cpus().length} cores of ${model.trim()}, Node ${process.versions.node}`
}

/** A node's load, by real sockets and the agent's real replies: what proxy and collector use for it. */
async function measureNode(name, linesPerPacket, chunkDatapoints) {
  const agent = await startSimulatedAgent()
  const ids = Array.from({ length: CONTAINERS }, (_, index) => `c${index}-0000-0000-0000-000000000000`)
  for (const [index, containerId] of ids.entries()) {
    agent.addContainer({ containerId, executorId: `app-${index}.${containerId}`, frameworkName: 'marathon' })
  }
  const busDir = join(dir, name)
  const collector = await startCollector(busDir, ['--agent-url', agent.url])
  const proxy = await start('statsd-proxy', [
    ...['--isolator-listen', '127.0.0.1:0', '--state-path-dir', join(dir, `${name}-state`), '--agent-url', agent.url],
    ...['--output-collector-port', String(collector.port), '--admin-listen', '127.0.0.1:0'],
    ...['--output-collector-chunk-size-datapoints', String(chunkDatapoints)],
  ])
  const ports = []
  for (const containerId of ids) {
    const body = JSON.stringify({ container_id: containerId })
    const answer = await fetch(`http://${proxy.isolator}/container`, { method: 'POST', body })
    ports.push((await answer.json()).statsd_port)
  }
  const stop = sendLoad(ports, linesPerPacket)
  await sleep(10_000)
  const before = [usage(proxy.pid), usage(collector.pid)]
  const startMs = performance.now()
  await sleep(seconds * 1000)
  const wallMs = performance.now() - startMs
  const after = [usage(proxy.pid), usage(collector.pid)]
  const [proxyUse, collectorUse] = after.map(({ cpuMs }, index) => (cpuMs - before[index].cpuMs) / wallMs)
  await stop()
  await proxy.stop()
  const limitBytesPerDatapoint = await batchBytesPerDatapoint(collector)
  await collector.stop()
  await agent.close()
  const { forwarded, dropped, polled } = collector.ledger()
  if (Object.keys(dropped).length > 0) throw new Error(`The collector dropped ${JSON.stringify(dropped)}`)
  const messages = await readBus(busDir)
  return {
    proxyCpuPercent: round(proxyUse * 100, 2),
    proxyRssMb: round(after[0].rssMb, 0),
    collectorCpuPercent: round(collectorUse * 100, 2),
    collectorRssMb: round(after[1].rssMb, 0),
    bytesPerDatapoint: round(messages.bytes / forwarded, 1),
    limitBytesPerDatapoint: round(limitBytesPerDatapoint, 1),
    compressedBytesPerDatapoint: round(messages.compressed / forwarded, 1),
    datapointsPerMessage: round(forwarded / messages.count, 0),
    ofThemPolled: round(polled / forwarded, 3),
  }
}

/** What --global-limit-amount-kbytes counts: lists as they are put into batches, before those of the same tags are joined. */
async function batchBytesPerDatapoint(collector) {
  const { address } = collector.lines.find(({ msg }) => msg.startsWith('serving'))
  const text = await (await fetch(`${address}/metrics`)).text()
  const bytes = [...text.matchAll(/^dcos_stats_collector_topic_sorter_bytes_total\{[^\n]*\} (\d+)$/gm)]
  const [ledger] = await (await fetch(`${address}/ledger`)).json()
  // What is still being put into batches is in none of the counters.
  return bytes.reduce((sum, [, value]) => sum + Number(value), 0) / (ledger.received - ledger.held)
}

/** Each container sends its metrics once in a period: packets of several lines in one go, or line by line all the time. */
function sendLoad(ports, linesPerPacket) {
  const socket = createSocket('udp4')
  let stopped = false
  let packets = 0
  const packetsPerPeriod = (CONTAINERS * METRICS) / linesPerPacket
  const perContainer = METRICS / linesPerPacket
  const startMs = performance.now()
  const timer = setInterval(() => {
    const due = ((performance.now() - startMs) / (PERIOD_S * 1000)) * packetsPerPeriod
    while (packets < due && !stopped) {
      const at = packets++ % packetsPerPeriod
      // In bursts a container's packets come one behind the other; else all containers take turns.
      const container = linesPerPacket > 1 ? Math.floor(at / perContainer) : at % CONTAINERS
      const first = linesPerPacket > 1 ? (at % perContainer) * linesPerPacket : Math.floor(at / CONTAINERS)
      const lines = Array.from(
        { length: linesPerPacket },
        (_, line) => `app.requests.endpoint_${first + line}:${packets % 1000}|c`,
      )
      socket.send(lines.join('\n'), ports[container], '127.0.0.1')
    }
  }, 5)
  return async () => {
    stopped = true
    clearInterval(timer)
    await sleep(500)
    socket.close()
  }
}

/** 1,000 nodes, each with its own connection and host name, through one collector and the embedded bus. */
async function measureCluster() {
  const collector = await startCollector(join(dir, 'cluster'), [
    ...['--agent-polling=false', '--input-limit-amount-kbytes', '2000000', '--global-limit-amount-kbytes', '2000000'],
    ...['--bus-retention-mbytes', '16384'],
  ])
  const [rate, clusterSeconds] = [Number(given['cluster-rate']), Number(given['cluster-seconds'])]
  const before = usage(collector.pid)
  const startMs = performance.now()
  const emitter = launch('emit', ['avro'], {
    ...{ ENDPOINT: `127.0.0.1:${collector.port}`, CONNECTIONS: '1000', AGENTS: '1000', BLOCK_SIZE: '100' },
    ...{ RATE: String(rate), COUNT: String(rate * clusterSeconds), TOPIC: 'cluster' },
  })
  const peaks = []
  const watch = setInterval(() => peaks.push(usage(collector.pid).rssMb), 500)
  await emitter.ended
  const emitterSeconds = (performance.now() - startMs) / 1000
  await collector.stop(() => {
    clearInterval(watch)
    collector.cpuMs = usage(collector.pid).cpuMs - before.cpuMs
  })
  const { received, forwarded, dropped, held } = collector.ledger()
  const asked = rate * clusterSeconds
  if (forwarded !== asked || received !== asked || held !== 0) {
    throw new Error(`Of ${asked} datapoints: ${JSON.stringify({ received, forwarded, dropped, held })}`)
  }
  return {
    datapoints: received,
    datapointsPerSecond: Math.round(received / emitterSeconds),
    usPerDatapoint: round((collector.cpuMs * 1000) / received, 3),
    peakRssMb: round(Math.max(...peaks), 0),
  }
}

/** All messages on a bus: how many, how large, and how large after the compression that Kafka would have. */
async function readBus(busDir) {
  const sums = { count: 0, bytes: 0, compressed: 0 }
  const { signal } = new AbortController()
  const bus = createEmbeddedBus({ dir: busDir, log: silentLog, counters: new Counters() })
  await bus.open(signal)
  const everything = { topics: /.*/, group: 'sizing', from: 'earliest', replay: true, to: { timeMs: Date.now() } }
  const add = async (messages) => {
    for (const { bytes } of messages) {
      sums.count++
      sums.bytes += bytes.length
      sums.compressed += snappy.compressSync(Buffer.from(bytes)).length
    }
  }
  await bus.subscribe(everything, add, signal)
  await bus.close()
  return sums
}

async function startCollector(busDir, flags) {
  const collector = await start('collector', [
    ...['--listen-endpoint', '127.0.0.1:0', '--bus', 'embedded', '--bus-dir', busDir, '--admin-listen', '127.0.0.1:0'],
    ...flags,
  ])
  return Object.assign(collector, { port: Number(collector.avro.split(':').at(-1)) })
}

/** Starts a daemon and waits until it takes something in. */
async function start(command, flags) {
  const program = launch(command, flags)
  const told = { avro: 'taking in Avro streams', isolator: 'the isolator module can announce containers here' }
  const wanted = command === 'collector' ? 'avro' : 'isolator'
  while (program[wanted] === undefined) {
    if (program.code !== undefined) throw new Error(`${command} ended: ${program.texts.join('\n')}`)
    program[wanted] = program.lines.find(({ msg }) => msg === told[wanted])?.address
    await sleep(20)
  }
  return program
}

function launch(command, flags, env = {}) {
  const args = [cli, command, ...flags]
  const stdout = openSync('/dev/null', 'w')
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', stdout, 'pipe'],
  })
  running.add(child)
  const program = { pid: child.pid, lines: [], texts: [], code: undefined }
  createInterface({ input: child.stderr }).on('line', (text) => {
    program.texts.push(text)
    if (text.startsWith('{')) program.lines.push(JSON.parse(text))
  })
  program.ended = new Promise((resolve) => {
    child.on('close', (code) => {
      running.delete(child)
      program.code = code
      resolve(code)
    })
  })
  program.stop = async (before = () => {}) => {
    before()
    child.kill('SIGTERM')
    if ((await program.ended) !== 0) throw new Error(`${command}: ${program.texts.slice(-5).join('\n')}`)
  }
  program.ledger = () => program.lines.findLast(({ msg }) => msg?.startsWith('ledger at exit'))
  return program
}

/** User and system time of a process and its threads, and what it has in memory. */
function usage(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [, rssPages] = readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')
  return { cpuMs: (Number(fields[11]) + Number(fields[12])) * 10, rssMb: (Number(rssPages) * 4096) / 1e6 }
}

function round(value, digits) {
  return Number(value.toFixed(digits))
}
