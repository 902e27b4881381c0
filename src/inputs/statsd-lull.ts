import type { Clock } from '../platform/clock.js'

/** A hundred thousand a second, where they gathered for five milliseconds: more are read without a pause. */
const manyPackets = 512
/**
 * Sleeps need a receive buffer with room for whatever comes meanwhile: this much takes more small packets in five milliseconds than
 * the process could read in that time. What Linux gives unless net.core.rmem_max was raised is a fifth of it.
 */
const neededBufferBytes = 1024 * 1024

/**
 * Counts the turns of the event loop that have packets, and lets packets gather in the kernel while they come one soon after the
 * other: the process sleeps for a moment when it has read what was there. To wake up for every few packets, with caches that
 * others have used since, costs as much as reading them: at 3,000 packets/s a third of the whole.
 *
 * It is the whole process that sleeps, timers and other sockets too, so nobody else may live in it. Who is alone with a packet
 * is not made to wait, and a flood is read without a pause.
 */
export class Lull {
  readonly #lullMs: number
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #sleep: (ms: number) => void
  #forbidden = 0
  #turn = 0
  #packets = 0
  #leftUnread = false
  /** When the last turn with packets ended, with the sleep behind it. */
  #lastMs = Number.NEGATIVE_INFINITY

  /** @param lullMs how long to sleep; 0: never */
  constructor(lullMs: number, clock: Pick<Clock, 'monotonicMs'>, sleep = sleepNow) {
    this.#lullMs = lullMs
    this.#clock = clock
    this.#sleep = sleep
    if (lullMs === 0) this.forbid()
  }

  /** Which turn of the event loop with packets this is. */
  get turn(): number {
    return this.#turn
  }

  /** Packets of this turn so far, of all sockets. */
  get packets(): number {
    return this.#packets
  }

  /** Tells that one came. */
  packet(): void {
    if (this.#packets === 0) setImmediate(this.#endTurn)
    this.#packets++
  }

  /** Tells that a socket may hold more than was read in this turn. */
  leaveUnread(): void {
    this.#leftUnread = true
  }

  /** Tells of a socket that is to be read from now on. */
  addSocket(receiveBufferBytes: number): void {
    if (receiveBufferBytes < neededBufferBytes) this.forbid()
  }

  /** And that it is not read any more. */
  removeSocket(receiveBufferBytes: number): void {
    if (receiveBufferBytes < neededBufferBytes) this.allow()
  }

  /** No sleep from now on, until as many `allow` as `forbid` were called. */
  forbid(): void {
    this.#forbidden++
  }

  allow(): void {
    this.#forbidden--
  }

  readonly #endTurn = () => {
    const packets = this.#packets
    const isBehind = this.#leftUnread || packets >= manyPackets
    this.#turn++
    this.#packets = 0
    this.#leftUnread = false
    if (this.#forbidden > 0) return
    const nowMs = this.#clock.monotonicMs()
    const sinceMs = nowMs - this.#lastMs
    this.#lastMs = nowMs
    if (isBehind || sinceMs >= this.#lullMs) return
    this.#sleep(this.#lullMs)
    this.#lastMs = this.#clock.monotonicMs()
  }
}

const never = new Int32Array(new SharedArrayBuffer(4))

function sleepNow(ms: number): void {
  Atomics.wait(never, 0, 0, ms)
}
