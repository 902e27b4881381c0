import type { Clock } from '../platform/clock.js'
import { type MemoryFigures, readMemoryFigures } from './sample-figures.js'

/** What was sent in a round so far, in bytes; two of the samples tell it. */
export interface SentBytes {
  success: number
  failed: number
}

const TAGS = '|#sample_tag:sample_val'

/** The first line of an emitter's life: a counter of starts. */
export const instanceLine = `statsd_emitter.proc.instance_counter:1|c${TAGS}`

/**
 * One round of the reference emitter's StatsD lines, names and types as in the first releases (R108).
 *
 * @param loop number of the round, from 1
 * @param sent read between the lines, so that the last two tell what the round has sent so far
 */
export function* sampleStatsdLines(
  { clock, startMs, pid, loop, sent }: { clock: Clock; startMs: number; pid: number; loop: number; sent: SentBytes },
  memory: MemoryFigures = readMemoryFigures(),
): Generator<string> {
  const nowMs = clock.nowMs()
  const uptimeMs = nowMs - startMs
  yield line('time.unix', Math.floor(nowMs / 1000), 'g')
  yield line('time.unix_nano', `${nowMs}000000`, 'g')
  yield line('time.unix_float', nowMs / 1000, 'g')
  yield line('time.uptime_gauge_ms', uptimeMs, 'g')
  yield line('time.uptime_timer_ms', uptimeMs, 'ms')
  yield line('proc.pid', pid, 'g')
  for (const [name, bytes] of Object.entries(memory)) yield line(`mem.${name}`, bytes, 'g')
  yield line('sent.loop_counter', 1, 'c')
  yield line('sent.loop_gauge', loop, 'g')
  yield line('sent.bytes_success', sent.success, 'g')
  yield line('sent.bytes_failed', sent.failed, 'g')
}

/** A line that tells its number, so that a reader can tell which ones are missing. */
export function numberedStatsdLine(number: number): string {
  return line('numbered', number, 'g')
}

function line(name: string, value: number | string, type: string): string {
  return `statsd_emitter.${name}:${value}|${type}${TAGS}`
}
