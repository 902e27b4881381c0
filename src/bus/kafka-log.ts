import type { LogEntry, logCreator } from 'kafkajs'
import { type Clock, systemClock } from '../platform/clock.js'
import type { Telemetry } from '../telemetry/telemetry.js'

/** kafkajs' own numbers for its levels. */
const kafkaError = 1
const kafkaWarn = 2

/**
 * kafkajs' talk as ours. It calls every failed try an error, dozens a second while a broker is away; nothing is lost by
 * any of them, so they become warnings, the same one once in `repeatMs` with the number of its repeats. All of
 * them are counted.
 */
export function createKafkaLog({
  telemetry: { log, counters },
  clock = systemClock,
  repeatMs = 60_000,
}: {
  telemetry: Pick<Telemetry, 'log' | 'counters'>
  clock?: Clock | undefined
  repeatMs?: number
}): logCreator {
  const errors = counters.cell('bus.client_errors')
  const shouldSay = createRepeatFilter(clock, repeatMs)
  return () => (entry) => {
    if (entry.level === kafkaError) errors.value += 1
    if (entry.level > kafkaWarn || isChatter(entry)) return log.debug(fieldsOf(entry), `kafkajs: ${entry.log.message}`)
    const suppressed = shouldSay(`${entry.namespace} ${entry.log.message.replace(/\d+/g, '#')}`)
    if (suppressed === undefined) return
    log.warn({ ...fieldsOf(entry), ...(suppressed > 0 && { suppressed }) }, `kafkajs: ${entry.log.message}`)
  }
}

/** @returns for a text: how often it was held back since it was last said, or undefined where it is to be held back now */
export function createRepeatFilter(clock: Clock, repeatMs: number): (text: string) => number | undefined {
  const said = new Map<string, { atMs: number; suppressed: number }>()
  return (text) => {
    const before = said.get(text)
    if (before !== undefined && clock.monotonicMs() - before.atMs < repeatMs) {
      before.suppressed += 1
      return undefined
    }
    // Texts carry names from outside, so their number needs a bound.
    if (said.size >= 500) said.clear()
    said.set(text, { atMs: clock.monotonicMs(), suppressed: 0 })
    return before?.suppressed ?? 0
  }
}

// What belongs to normal work: a topic that is being created, a group that others join, our own choice of retries.
const chatter =
  /already exists|leadership election|does not host this topic|coordinator is not available|is rebalancing|Limiting retries|is being replaced/i

function isChatter({ log }: LogEntry): boolean {
  return chatter.test(log.message) || (typeof log.error === 'string' && chatter.test(log.error))
}

const shownFields = ['broker', 'groupId', 'topic', 'partition', 'error', 'retryCount', 'retryTime'] as const

function fieldsOf({ namespace, log }: LogEntry): Record<string, unknown> {
  const shown = shownFields.filter((field) => log[field] !== undefined)
  return { part: namespace, ...Object.fromEntries(shown.map((field) => [field, log[field]])) }
}
