import { imbalance, type LedgerSnapshot } from '../model/ledger.js'
import type { Clock } from '../platform/clock.js'
import { renderColumns } from './columns.js'
import type { Ledger } from './ledger.js'
import type { Log } from './log.js'

/** One JSON object a hop, as /ledger and the last lines of every daemon have it. */
export function logLedgers(log: Log, ledgers: readonly Ledger[], message: string): void {
  for (const ledger of ledgers) {
    const snapshot = ledger.snapshot()
    const missing = imbalance(snapshot)
    if (missing === 0) log.info(snapshot, message)
    else log.error({ ...snapshot, missing }, `${message}: ${missing} datapoints are missing without a reason`)
  }
}

/** Logs the ledgers each period while something moves. Returns a function that stops it. */
export function reportLedgers(options: {
  log: Log
  ledgers: readonly Ledger[]
  clock: Clock
  periodMs: number
}): () => void {
  let lastReceived = 0
  return options.clock.every(options.periodMs, () => {
    const received = options.ledgers.reduce((sum, ledger) => sum + ledger.received, 0)
    if (received !== lastReceived) logLedgers(options.log, options.ledgers, 'so far')
    lastReceived = received
  })
}

/** The ledgers as a table for a terminal: a row a hop, and the word `balanced` or what is missing. */
export function renderLedgers(snapshots: readonly LedgerSnapshot[]): string {
  return renderColumns([ledgerHead, ...snapshots.map(ledgerCells)])
}

/** What stands above the cells of a ledger. */
export const ledgerHead: readonly string[] = ['hop', 'received', 'forwarded', 'dropped', 'held', '']

/** A hop's account as cells of a table. */
export function ledgerCells(snapshot: LedgerSnapshot): readonly string[] {
  const dropped = Object.entries(snapshot.dropped).map(([reason, count]) => `${count} ${reason}`)
  const { hop, received, forwarded, held, repeated = 0 } = snapshot
  const verdict = verdictOn(imbalance(snapshot)) + (repeated > 0 ? `, up to ${repeated} sent twice` : '')
  return [hop, String(received), String(forwarded), dropped.join(', ') || '0', String(held), verdict]
}

/** @param missing datapoints that are missing; negative: too many */
export function verdictOn(missing: number): string {
  if (missing === 0) return 'balanced'
  return missing > 0 ? `${missing} MISSING` : `${-missing} TOO MANY`
}
