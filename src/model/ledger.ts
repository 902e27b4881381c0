/** Why a datapoint left the stream. There is no other way out than being forwarded. */
export const dropReasons = [
  'malformed',
  'not_a_metric',
  'container_limit',
  'connection_limit',
  'global_limit',
  'collector_away',
  'queue_full',
  'too_large',
  'not_finite',
  'undecodable',
  'filtered',
  'rejected_by_sink',
] as const

export type DropReason = (typeof dropReasons)[number]

/** A hop's account at one moment, in datapoints: received = forwarded + all of dropped + held. */
export interface LedgerSnapshot {
  readonly hop: string
  /** Of a consumer: consumers of one group share what there is, each group gets all of it. */
  readonly group?: string
  readonly received: number
  readonly forwarded: number
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>
  readonly held: number
  /** What the next hop may have twice: sent again because the first try had no answer. Not part of the balance; absent where it is 0. */
  readonly repeated?: number
  /** Of those received, what the hop asked the Mesos agent for: no hop before has forwarded it. Absent where it is 0. */
  readonly polled?: number
}

/** What is missing (positive) or too much (negative) in a hop's account; 0 where it is balanced. */
export function imbalance({ received, forwarded, dropped, held }: LedgerSnapshot): number {
  let droppedSum = 0
  for (const count of Object.values(dropped)) droppedSum += count
  return received - forwarded - droppedSum - held
}
