import { createRequire } from 'node:module'

interface RequestQueue {
  readonly pending: readonly unknown[]
  readonly throttledUntil: number
  scheduleCheckPendingRequests(): void
}

interface Connection {
  connect(): Promise<unknown>
}

let repaired = false

/** Repairs two mistakes of kafkajs 2.2.4 in its own classes, for the whole process. */
export function repairKafkajs(): void {
  if (repaired) return
  repaired = true
  const require = createRequire(import.meta.url)
  restIdleTimer((require('kafkajs/src/network/requestQueue') as { prototype: RequestQueue }).prototype)
  connectOnce((require('kafkajs/src/network/connection') as { prototype: Connection }).prototype)
}

// It re-arms a 1 ms timer for ever on every connection, also where nothing waits (its issue 1751): most of the CPU time of an
// idle consumer.
function restIdleTimer(prototype: RequestQueue): void {
  const schedule = prototype.scheduleCheckPendingRequests
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length === 0 && this.throttledUntil <= Date.now()) return
    schedule.call(this)
  }
}

// Every request that finds its connection lost opens a socket of its own and forgets the one before: hundreds of sends
// that wait for a broker leave hundreds of open sockets behind.
function connectOnce(prototype: Connection): void {
  const connect = prototype.connect
  const connecting = new WeakMap<Connection, Promise<unknown>>()
  prototype.connect = function (this: Connection) {
    const before = connecting.get(this)
    if (before !== undefined) return before
    const now = connect.call(this).finally(() => connecting.delete(this))
    connecting.set(this, now)
    return now
  }
}
