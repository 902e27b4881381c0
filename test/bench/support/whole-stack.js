import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { startProduct, startWorker } from './processes.js'
import { checkLedger, ledgerOf, startCollector, startProxy } from './stack.js'
import { kernelDropsAt } from './usage.js'

const linesPerPacket = 30

/** Shorter than the defaults, which gather for 10 and 15 seconds. */
export const fastPeriods = {
  proxy: ['--output-collector-chunk-timeout-seconds', '0.1'],
  collector: ['--kafka-produce-period-ms', '100'],
}
export const defaultPeriods = { proxy: [], collector: [] }

/**
 * statsd-proxy -> collector -> embedded bus -> consume, each a process of its own on any core; what consume prints goes to a
 * worker that looks for the lines it sent itself.
 */
export async function startWholeStack(bench, name, periods) {
  const { program } = bench
  const dir = join(bench.dir, name)
  const collector = await startCollector({ program, dir, bus: 'embedded', flags: periods.collector })
  const proxy = await startProxy({ program, dir, collectorPort: collector.port, flags: periods.proxy })
  const pipe = join(dir, 'printed')
  spawnSync('mkfifo', [pipe])
  // Read and write: opening one end alone would wait for the other.
  const fd = openSync(pipe, 'r+')
  const probe = startWorker('delay-probe', {}, { core: undefined, stdin: fd })
  const args = ['consume', '--bus', 'embedded', '--bus-dir', join(dir, 'bus'), '--from', 'earliest']
  const admin = ['--admin-listen', '127.0.0.1:0', '--stats-print-period-ms', '0']
  const consume = startProduct(program, [...args, ...admin], { stdout: fd })
  closeSync(fd)
  const ledger = await ledgerOf(consume)
  const [port] = proxy.ports
  let emitted = 0

  async function printed() {
    return (await ledger()).forwarded
  }

  /** Waits until everything came out, or nothing more does. */
  async function untilOut(count, limitMs) {
    const deadline = performance.now() + limitMs
    while ((await printed()) < count && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return printed()
  }

  /** Waits until nothing more comes out. */
  async function untilQuiet() {
    for (let before = -1, now = await printed(); now !== before; now = await printed()) {
      before = now
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }

  return {
    roles: { 'statsd-proxy': proxy.pid, collector: collector.pid, consume: consume.pid },
    /** Sends lines that carry their own time. @returns how long each was on its way, in milliseconds */
    async delays({ lines, periodMs, limitMs }) {
      emitted += lines
      const delays = await probe.call('probe', { port, lines, periodMs, limitMs })
      if (delays.length < lines) throw new Error(`${delays.length} of ${lines} probes came out in time`)
      return delays
    },
    /**
     * Puts numbered lines on the stack with the product's own emitter.
     *
     * @returns how fast they were sent; how many packets the kernel dropped, and how many of the other lines were not out
     * `graceMs` after the last one
     */
    async emit({ rate, seconds, graceMs }) {
      const count = Math.round(rate * seconds)
      const before = { out: await printed(), drops: kernelDropsAt(port) }
      const target = ['--statsd-udp-host', '127.0.0.1', '--statsd-udp-port', String(port)]
      const load = ['--rate', String(rate), '--count', String(count), '--lines-per-packet', String(linesPerPacket)]
      const emitter = startProduct(program, ['emit', 'statsd', ...target, ...load])
      if ((await emitter.ended) !== 0) throw new Error('emit failed')
      const { linesPerSecond } = await emitter.logWhere(({ msg }) => msg === 'done')
      emitted += count
      const out = await untilOut(before.out + count, graceMs)
      const kernelDrops = kernelDropsAt(port) - before.drops
      const missing = Math.max(0, before.out + count - out)
      const lossless = kernelDrops === 0 && missing === 0
      if (!lossless) await untilQuiet()
      return { lossless, linesPerSecond, kernelDrops, missing }
    },
    /** Ends all, each after the one before it: what was sent was dropped by the kernel or came out. */
    async stop() {
      const drops = kernelDropsAt(port)
      const [given] = await proxy.stop()
      const missing = emitted - given.received
      if (missing < drops || missing > drops * linesPerPacket)
        throw new Error(`statsd-proxy received ${given.received} of ${emitted}; the kernel dropped ${drops} packets`)
      checkLedger(given, { lost: 0 })
      const [gathered] = await collector.stop()
      checkLedger(gathered, { received: given.forwarded, lost: 0 })
      await untilOut(gathered.forwarded, 10_000)
      const [read] = await consume.stop()
      checkLedger(read, { received: gathered.forwarded, lost: 0 })
      await probe.end('SIGKILL')
    },
  }
}
