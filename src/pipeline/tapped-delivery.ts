import type { Tap } from '../outputs/tap.js'
import type { Delivery } from './deliver.js'
import { chainStages, type Stage } from './stage.js'

/**
 * Shows taps what a delivery is given, before it goes into the delivery's batches and queue: so what a tap feeds
 * gets it at once and once, also while the sink is away, and the delivery's ledger knows nothing of taps.
 * Only while the queue is full there is nothing to show, because then nothing is taken in.
 *
 * @param through done to what taps see; the delivery has stages of its own, for the moment of its writes
 */
export function tappedDelivery(inner: Delivery, taps: readonly Tap[], through: readonly Stage[] = []): Delivery {
  if (taps.length === 0) return inner
  const stage = chainStages(through)
  return {
    name: inner.name,
    ledger: inner.ledger,
    ended: inner.ended,
    async open(signal) {
      for (const tap of taps) await tap.open(signal)
      await inner.open(signal)
    },
    push(lists) {
      const shown = stage(lists)
      for (const tap of taps) tap.push(shown)
      return inner.push(lists)
    },
    drain: (deadline) => inner.drain(deadline),
    async close() {
      try {
        await inner.close()
      } finally {
        await Promise.all(taps.map((tap) => tap.close()))
      }
    },
  }
}
