import type { LedgerSnapshot } from '../model/ledger.js'
import type { LiveHistory, LiveHop } from '../model/live.js'
import type { Clock } from '../platform/clock.js'
import type { Ledger } from './ledger.js'
import { TotalRate } from './rate.js'

/** Steps that are kept: five minutes of seconds. */
const steps = 300

/** Follows the ledgers: their rates, and what they did in the last minutes. A few numbers a hop and step, whatever comes. */
export class HopRates {
  readonly #hops = new Map<Ledger, HopRate>()

  take(ledgers: readonly Ledger[], seconds: number): void {
    for (const ledger of ledgers) {
      const hop = this.#hops.get(ledger) ?? new HopRate()
      this.#hops.set(ledger, hop)
      hop.take(ledger.snapshot(), seconds)
    }
  }

  /** In the order of the stream, whichever began first. */
  hops(ledgers: readonly Ledger[]): LiveHop[] {
    const inOrder = [...ledgers].sort((a, b) => placeOf(a) - placeOf(b))
    return inOrder.map((ledger) => {
      const rates = this.#hops.get(ledger)?.rates() ?? { received: 0, forwarded: 0, dropped: {} }
      return { ...ledger.snapshot(), rates }
    })
  }

  history(clock: Clock, stepMs: number): LiveHistory {
    const hops = [...this.#hops].map(([{ hop }, { history }]) => ({ hop, ...history }))
    return { stepMs, atMs: clock.nowMs(), hops }
  }
}

class HopRate {
  readonly history = { received: [] as number[], forwarded: [] as number[], dropped: [] as number[] }
  readonly #received = new TotalRate()
  readonly #forwarded = new TotalRate()
  readonly #dropped = new Map<string, TotalRate>()
  #last: LedgerSnapshot | undefined

  take(now: LedgerSnapshot, seconds: number): void {
    this.#received.take(now.received, seconds)
    this.#forwarded.take(now.forwarded, seconds)
    for (const [reason, count] of Object.entries(now.dropped)) {
      const rate = this.#dropped.get(reason) ?? newDropRate(seconds)
      this.#dropped.set(reason, rate)
      rate.take(count, seconds)
    }
    if (this.#last !== undefined) this.#keep(this.#last, now, seconds)
    this.#last = now
  }

  rates(): LiveHop['rates'] {
    return {
      received: this.#received.perSecond,
      forwarded: this.#forwarded.perSecond,
      dropped: Object.fromEntries([...this.#dropped].map(([reason, { perSecond }]) => [reason, perSecond])),
    }
  }

  #keep(last: LedgerSnapshot, now: LedgerSnapshot, seconds: number): void {
    const { received, forwarded, dropped } = this.history
    received.push((now.received - last.received) / seconds)
    forwarded.push((now.forwarded - last.forwarded) / seconds)
    dropped.push((sumOf(now.dropped) - sumOf(last.dropped)) / seconds)
    for (const values of [received, forwarded, dropped]) if (values.length > steps) values.shift()
  }
}

const order = ['statsd-proxy', 'collector', 'consume']

function placeOf({ hop }: Ledger): number {
  return order.includes(hop) ? order.indexOf(hop) : order.length
}

/** A reason appears with its first drops: before them there were none. */
function newDropRate(seconds: number): TotalRate {
  const rate = new TotalRate()
  rate.take(0, seconds)
  return rate
}

function sumOf(dropped: LedgerSnapshot['dropped']): number {
  return Object.values(dropped).reduce((sum, count) => sum + count, 0)
}
