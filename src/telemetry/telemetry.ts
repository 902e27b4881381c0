import type { Counters } from './counters.js'
import type { Ledger } from './ledger.js'
import type { Log } from './log.js'

/** What a part is given to tell what it does. */
export interface Telemetry {
  readonly log: Log
  readonly counters: Counters
  /** The account of the hop the part belongs to. */
  readonly ledger: Ledger
}
