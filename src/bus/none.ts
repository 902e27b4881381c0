import type { Log } from '../telemetry/log.js'
import type { Bus } from './bus.js'

/**
 * The bus of `--bus none`: takes every message and keeps nothing. A line for each topic of a write tells what another bus would
 * have got (R76).
 */
export function createNoBus({ log }: { log: Log }): Bus {
  return {
    name: 'none',
    async open() {},
    async publish(topic, messages) {
      const bytes = messages.reduce((sum, message) => sum + message.bytes.length, 0)
      log.info(
        { topic, messages: messages.length, bytes },
        `Topic '${topic}': ${bytes} bytes would've been written (--bus none)`,
      )
    },
    async subscribe(_subscription, _onBatch, signal) {
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    },
    lag: () => [],
    async close() {},
  }
}
