import { imbalance, type LedgerSnapshot } from '../../src/model/ledger.js'
import type { JsonLine } from './program.js'

/** The accounts that a process gave at its exit, by hop. */
export function ledgersAtExit(log: readonly JsonLine[]): Record<string, LedgerSnapshot> {
  const lines = log.filter(({ msg }) => typeof msg === 'string' && msg.startsWith('ledger at exit'))
  return Object.fromEntries(lines.map((line) => [line.hop, line as unknown as LedgerSnapshot]))
}

/** Fails, showing the whole account, where a hop has lost or made up datapoints. */
export function expectBalanced(ledgers: Record<string, LedgerSnapshot>, hops: readonly string[]): void {
  expect(Object.keys(ledgers).sort()).toEqual([...hops].sort())
  for (const ledger of Object.values(ledgers))
    expect({ ledger, missing: imbalance(ledger) }).toMatchObject({ missing: 0 })
}
