import type { MetricList } from '../model/metric-list.js'
import type { Ledger } from '../telemetry/ledger.js'
import { measure } from './batch.js'
import type { BatchFigures } from './deliver.js'

/** Who is let in. */
export interface AdmissionRule {
  /** False: dropped as `global_limit`. */
  readonly admit: (batch: BatchFigures) => boolean
  /** Lists of one key are asked about together. */
  readonly keyOf: (list: MetricList) => string
}

/** What is left of lists by a rule; all of them without one. */
export function createAdmission(
  rule: AdmissionRule | undefined,
  ledger: Ledger,
): (lists: readonly MetricList[]) => readonly MetricList[] {
  if (rule === undefined) return (lists) => lists
  const { admit, keyOf } = rule
  return (lists) => {
    const byKey = new Map<string, MetricList[]>()
    for (const list of lists) {
      const key = keyOf(list)
      const ofKey = byKey.get(key)
      if (ofKey === undefined) byKey.set(key, [list])
      else ofKey.push(list)
    }
    return [...byKey].flatMap(([key, ofKey]) => {
      const { datapoints, bytes } = measure(ofKey)
      if (admit({ key, lists: ofKey.length, bytes })) return ofKey
      ledger.drop('global_limit', datapoints)
      return []
    })
  }
}
