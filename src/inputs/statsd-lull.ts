import type { Clock } from '../platform/clock.js'

/** For how long it sleeps where little is known of the flow. */
const shortLullMs = 5
/** Fewer than two hundred a second: who is alone with a packet is not made to wait. */
const leastPerMs = 0.2
/** As many as make a turn worth its wake-up gather in a sleep; more are not waited for. */
const gatheredPackets = 128
/** A turn with so many is not slept behind. */
const manyPackets = 512
/** So many in a turn, at such a rate, are a burst: a sender that sends all it has at once is at two to four hundred a millisecond. */
const burstPackets = 64
const burstPerMs = 100
/** Where there was a burst another may come: clients send what they have gathered every second, or every ten. */
const burstPeriodMs = 12_000
/**
 * Sleeps need a receive buffer with room for whatever comes meanwhile: what is asked for. Linux gives a twentieth of it unless
 * net.core.rmem_max was raised. It takes 3,600 packets of 1,400 bytes or 10,000 of 60, so a burst of so many is never lost.
 */
const neededBufferBytes = 4 * 1024 * 1024

/**
 * Counts the turns of the event loop that have packets, and lets packets gather in the kernel while they come one soon after the
 * other: the process sleeps for a moment when it has read what was there. Processors forget what they have learned of a program
 * (its branches, above all) whenever it waits, so a line of a packet that is read alone costs six times what it does in a
 * flood: at 3,000 packets/s 0.83 us with sleeps of 5 ms, 0.44 with 40.
 *
 * It is the whole process that sleeps, timers and other sockets too, so nobody else may live in it. A flood is read
 * without a pause, and where bursts come sleeps stay short, as another burst must find room in the buffer.
 */
export class Lull {
  readonly #longestMs: number
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #sleep: (ms: number) => void
  #forbidden = 0
  #turn = 0
  #packets = 0
  #leftUnread = false
  /** When the last turn with packets ended, without the sleep behind it. */
  #lastMs = Number.NEGATIVE_INFINITY
  /** When there was a burst. */
  #burstMs = Number.NEGATIVE_INFINITY

  /** @param longestMs how long to sleep at most; 0: never */
  constructor(longestMs: number, clock: Pick<Clock, 'monotonicMs'>, sleep = sleepNow) {
    this.#longestMs = longestMs
    this.#clock = clock
    this.#sleep = sleep
    if (longestMs === 0) this.forbid()
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
    if (packets >= burstPackets && packets >= burstPerMs * sinceMs) this.#burstMs = nowMs
    if (!isBehind && packets >= leastPerMs * sinceMs) this.#sleep(this.#lullMs(packets / sinceMs, nowMs))
  }

  /** @param perMs how many packets come */
  #lullMs(perMs: number, nowMs: number): number {
    if (nowMs - this.#burstMs < burstPeriodMs) return Math.min(shortLullMs, this.#longestMs)
    return Math.min(Math.max(gatheredPackets / perMs, shortLullMs), this.#longestMs)
  }
}

const never = new Int32Array(new SharedArrayBuffer(4))

function sleepNow(ms: number): void {
  Atomics.wait(never, 0, 0, ms)
}
