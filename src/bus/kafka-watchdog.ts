import type { Consumer } from 'kafkajs'
import type { Cancel, Clock } from '../platform/clock.js'

/** Answers of the broker that only come while kafkajs' own loop turns. */
const signsOfLife = ['Fetch', 'Heartbeat', 'JoinGroup', 'SyncGroup', 'OffsetCommit', 'OffsetFetch']

/**
 * Notices a consumer that has stopped working without saying so: no answer from any broker, or one fetch that
 * never ends. Time spent in `isBusy` (the sink is writing) does not count.
 */
export function watchConsumer({
  consumer,
  limitMs,
  isBusy,
  onStuck,
  clock,
}: {
  consumer: Consumer
  limitMs: number
  isBusy: () => boolean
  onStuck: (reason: string) => void
  clock: Clock
}): Cancel {
  const fetchingSinceMs = new Map<number, number>()
  let lastSignMs = clock.monotonicMs()
  const stopListening = [
    consumer.on(consumer.events.REQUEST, ({ payload }) => {
      if (signsOfLife.includes(payload.apiName)) lastSignMs = clock.monotonicMs()
    }),
    consumer.on(consumer.events.FETCH_START, ({ payload }) => {
      fetchingSinceMs.set(payload.nodeId, clock.monotonicMs())
    }),
    consumer.on(consumer.events.FETCH, ({ payload }) => {
      fetchingSinceMs.delete(payload.nodeId)
    }),
    consumer.on(consumer.events.GROUP_JOIN, () => fetchingSinceMs.clear()),
  ]
  const stopLooking = clock.every(Math.max(limitMs / 4, 50), () => {
    const nowMs = clock.monotonicMs()
    if (isBusy()) {
      lastSignMs = nowMs
      fetchingSinceMs.clear()
      return
    }
    if (nowMs - lastSignMs > limitMs)
      return onStuck(`no answer from any broker for ${Math.round(nowMs - lastSignMs)} ms`)
    for (const [nodeId, sinceMs] of fetchingSinceMs) {
      if (nowMs - sinceMs > limitMs) return onStuck(`a fetch from broker ${nodeId} has not ended in ${limitMs} ms`)
    }
  })
  return () => {
    stopLooking()
    for (const stop of stopListening) stop()
  }
}
