import { readFileSync } from 'node:fs'
import { parseKernelDrops } from '../../src/inputs/statsd-kernel-drops.js'
import { procAddress } from '../../src/platform/proc-net.js'
import { until } from './partner.js'
import { announce, type ProxyProcess } from './proxy.js'
import { type CountingCollector, type SentLoad, startLoad } from './statsd-load.js'

/** What became of a load while a proxy was restarted. */
export interface RestartedLoad {
  readonly sentDatapoints: number
  readonly missing: number
  readonly repeated: number
  readonly ratePerSecond: number
  /** From each SIGHUP until the new process reads. */
  readonly tookMs: readonly number[]
}

/** Announces so many containers, `c0` and on, and returns their ports. */
export async function announceMany(proxy: ProxyProcess, containers: number): Promise<number[]> {
  const isolator = await proxy.isolator()
  const endpoints = await Promise.all(Array.from({ length: containers }, (_, index) => announce(isolator, `c${index}`)))
  return endpoints.map(({ port }) => port)
}

/**
 * Restarts a proxy by SIGHUP, again and again, under a steady load on its endpoints, and counts what arrives, and what the
 * kernel dropped because a socket's buffer was full: that many are missing for want of room, and no more may be.
 */
export async function restartUnderLoad(
  proxy: ProxyProcess,
  collector: CountingCollector,
  { restarts, ratePerSecond, endpoints = 20 }: { restarts: number; ratePerSecond: number; endpoints?: number },
): Promise<RestartedLoad & { kernelDropped: number }> {
  const ports = await announceMany(proxy, endpoints)
  const load = startLoad({ ports, ratePerSecond })
  const tookMs: number[] = []
  await seenAtLeast(collector, ratePerSecond / 5)
  for (let restart = 1; restart <= restarts; restart++) {
    const startMs = performance.now()
    process.kill(proxy.pid, 'SIGHUP')
    await takenOver(proxy, restart)
    tookMs.push(Math.round(performance.now() - startMs))
    await settledDown(proxy, restart)
    await seenAtLeast(collector, collector.seen() + ratePerSecond / 5)
  }
  const result = await resultOf(await load.stop(), collector, tookMs)
  return { ...result, kernelDropped: await kernelDropsAt(ports) }
}

/**
 * What the kernel dropped at these ports, from each socket's first datagram on. A reading may leave sockets out while others are
 * opened and closed, so it is read until all have been listed.
 */
async function kernelDropsAt(ports: readonly number[]): Promise<number> {
  const addresses = ports.map((port) => procAddress('127.0.0.1', port))
  const drops = new Map<string, number>()
  await until(() => {
    for (const [address, count] of parseKernelDrops(readFileSync('/proc/net/udp', 'latin1'))) drops.set(address, count)
    return addresses.every((address) => drops.has(address))
  })
  return addresses.reduce((sum, address) => sum + (drops.get(address) ?? 0), 0)
}

export async function resultOf(
  { sent, tookMs: sendingMs }: SentLoad,
  collector: CountingCollector,
  tookMs: readonly number[] = [],
): Promise<RestartedLoad> {
  const sentDatapoints = sent.reduce((sum, each) => sum + each, 0)
  await collector.settled(sentDatapoints)
  await allSeen(collector, sent)
  const ratePerSecond = Math.round((sentDatapoints * 1000) / sendingMs)
  return { sentDatapoints, ...collector.tally(sent), ratePerSecond, tookMs }
}

/** Waits for the last ones: others may send to the same ports, and what they sent counts as seen, too. */
async function allSeen(collector: CountingCollector, sent: readonly number[]): Promise<void> {
  const deadlineMs = performance.now() + 3000
  while (collector.tally(sent).missing > 0 && performance.now() < deadlineMs) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Resolves when the new process reads for the `count`th time. */
export function takenOver(proxy: ProxyProcess, count = 1): Promise<unknown> {
  return nth(proxy, 'endpoints of an earlier run are back', count)
}

/** Resolves when the process before has gone and the next restart may come. */
function settledDown(proxy: ProxyProcess, count: number): Promise<unknown> {
  return nth(proxy, 'the work is done by another process from now on; this one watches it', count)
}

function nth(proxy: ProxyProcess, message: string, count: number): Promise<unknown> {
  let seen = 0
  return proxy.logWhere(({ msg }) => msg === message && ++seen === count)
}

export async function seenAtLeast(collector: CountingCollector, datapoints: number): Promise<void> {
  const deadlineMs = performance.now() + 20_000
  while (collector.seen() < datapoints) {
    if (performance.now() > deadlineMs) throw new Error(`Only ${collector.seen()} of ${datapoints} datapoints arrived`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
