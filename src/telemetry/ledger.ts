import type { DropReason, LedgerSnapshot } from '../model/ledger.js'

/**
 * The account of one hop, from its first datapoint on. `held` is not worked out from the other numbers but asked
 * from the parts that hold datapoints: only so can the balance show a mistake.
 */
export class Ledger {
  readonly hop: string
  readonly group: string | undefined
  /** Plain numbers, because the hot path adds to them per packet. */
  received = 0
  forwarded = 0
  /** Of those forwarded, what the next hop may have twice, since a first try had no answer: at least once, and at most so often more. */
  repeated = 0
  /** Of those received, what came from the Mesos agent, so that the rest can be compared with what others forwarded. */
  polled = 0
  readonly #dropped = new Map<DropReason, number>()
  readonly #holders = new Set<() => number>()

  /** @param group of a consumer, its group of readers */
  constructor(hop: string, group?: string) {
    this.hop = hop
    this.group = group
  }

  drop(reason: DropReason, datapoints: number): void {
    if (datapoints === 0) return
    this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + datapoints)
  }

  /** @param heldDatapoints how many datapoints a part keeps right now; call the returned function when it is gone */
  addHolder(heldDatapoints: () => number): () => void {
    this.#holders.add(heldDatapoints)
    return () => this.#holders.delete(heldDatapoints)
  }

  snapshot(): LedgerSnapshot {
    let held = 0
    for (const heldDatapoints of this.#holders) held += heldDatapoints()
    return {
      hop: this.hop,
      ...(this.group !== undefined && { group: this.group }),
      received: this.received,
      forwarded: this.forwarded,
      dropped: Object.fromEntries(this.#dropped),
      held,
      ...(this.repeated > 0 && { repeated: this.repeated }),
      ...(this.polled > 0 && { polled: this.polled }),
    }
  }
}
