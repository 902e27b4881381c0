import type { Tap } from '../outputs/tap.js'
import type { Delivery } from './deliver.js'
import { chainStages, type Stage } from './stage.js'

/**
 * Shows a tap what a delivery is given, before it goes into the delivery's batches and queue: so what the tap feeds
 * gets it at once and once, also while the sink is away, and the delivery's ledger knows nothing of it.
 * Only while the queue is full there is nothing to show, because then nothing is taken in.
 *
 * @param through done to what the tap sees; the delivery has stages of its own, for the moment of its writes
 */
export function tappedDelivery(inner: Delivery, tap: Tap, through: readonly Stage[] = []): Delivery {
  const stage = chainStages(through)
  return {
    name: inner.name,
    ledger: inner.ledger,
    ended: inner.ended,
    async open(signal) {
      await tap.open(signal)
      await inner.open(signal)
    },
    push(lists) {
      tap.push(stage(lists))
      return inner.push(lists)
    },
    drain: (deadline) => inner.drain(deadline),
    async close() {
      try {
        await inner.close()
      } finally {
        await tap.close()
      }
    },
  }
}
