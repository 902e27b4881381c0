import { readdirSync, readFileSync } from 'node:fs'
import type { CountingCollector, LoadOptions } from './statsd-load.js'
import { startLoad } from './statsd-load.js'

/** What a time under load did to a process. */
export interface SoakResult {
  readonly sentDatapoints: number
  readonly missing: number
  readonly repeated: number
  readonly ratePerSecond: number
  /** Resident memory: the median of the first and of the last third of the time, and the most of all. */
  readonly firstMbytes: number
  readonly lastMbytes: number
  readonly mostMbytes: number
}

/** Sends at a steady rate, watches the memory of a process, and counts what has arrived in the end. */
export async function soak(
  pid: number,
  collector: CountingCollector,
  { seconds, ...load }: LoadOptions & { readonly seconds: number },
): Promise<SoakResult> {
  const samples: number[] = []
  collector.forget()
  const sampling = setInterval(() => samples.push(residentMbytes(pid)), 100)
  const { sent, tookMs } = await startLoad({ ...load, count: load.ratePerSecond * seconds }).done
  clearInterval(sampling)
  const sentDatapoints = sent.reduce((sum, each) => sum + each, 0)
  await collector.settled(sentDatapoints)
  const third = Math.ceil(samples.length / 3)
  return {
    sentDatapoints,
    ...collector.tally(sent),
    ratePerSecond: Math.round((sentDatapoints * 1000) / tookMs),
    firstMbytes: median(samples.slice(0, third)),
    lastMbytes: median(samples.slice(-third)),
    mostMbytes: Math.max(...samples),
  }
}

/** What of a process is in memory (Linux). */
export function residentMbytes(pid: number): number {
  const [, kbytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? []
  return Math.round(Number(kbytes) / 102.4) / 10
}

/** How many files and sockets a process has open (Linux). */
export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}
