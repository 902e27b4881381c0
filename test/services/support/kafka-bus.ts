import { randomUUID } from 'node:crypto'
import type { Bus, IncomingMessage, OutgoingMessage } from '../../../src/bus/bus.js'
import { createKafkaBus } from '../../../src/bus/kafka.js'
import type { KafkaOptions } from '../../../src/bus/kafka-options.js'
import { Counters } from '../../../src/telemetry/counters.js'
import type { Log } from '../../../src/telemetry/log.js'

export interface LogLine {
  readonly level: string
  readonly fields: object
  readonly text: string
}

/** A log that keeps its lines. */
export function createRecordingLog(): Log & { readonly lines: LogLine[] } {
  const lines: LogLine[] = []
  const add = (level: string) => (fields: unknown, text?: string) => {
    lines.push(
      text === undefined ? { level, fields: {}, text: String(fields) } : { level, fields: Object(fields), text },
    )
  }
  return { lines, debug: add('debug'), info: add('info'), warn: add('warn'), error: add('error') } as never
}

/** A bus that notices things soon, and what it said. */
export function createTestBus(brokers: readonly string[], options: Partial<KafkaOptions> = {}) {
  const log = createRecordingLog()
  const counters = new Counters()
  const bus = createKafkaBus({ brokers, telemetry: { log, counters }, topicPollPeriodMs: 500, ...options })
  return { bus, log, counters }
}

export async function openTestBus(brokers: readonly string[], options: Partial<KafkaOptions> = {}) {
  const made = createTestBus(brokers, options)
  await made.bus.open(AbortSignal.timeout(20_000))
  return made
}

/** A name nobody used before, legal as a topic and as a group. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 8)}`
}

export function message(text: string, key = 'k'): OutgoingMessage {
  return { key, bytes: Buffer.from(text) }
}

export function textOf({ bytes }: IncomingMessage): string {
  return Buffer.from(bytes).toString()
}

/** Consumes in the background and keeps the texts; `stop` ends it and resolves when it has left the group. */
export function collect(bus: Bus, subscription: Parameters<Bus['subscribe']>[0]) {
  const texts: string[] = []
  const messages: IncomingMessage[] = []
  const stopping = new AbortController()
  const waiting: { count: number; go: () => void }[] = []
  const done = bus.subscribe(
    subscription,
    async (batch) => {
      messages.push(...batch)
      texts.push(...batch.map(textOf))
      for (const { count, go } of waiting) if (new Set(texts).size >= count) go()
    },
    stopping.signal,
  )
  return {
    texts,
    messages,
    done,
    /** Resolves when so many different texts are there; rejects when the subscription ends before. */
    atLeast: (count: number) => Promise.race([hasCount(count), done.then(() => Promise.reject(new Error('ended')))]),
    stop: () => {
      stopping.abort()
      return done
    },
  }

  async function hasCount(count: number): Promise<void> {
    if (new Set(texts).size < count) await new Promise<void>((go) => waiting.push({ count, go }))
  }
}
