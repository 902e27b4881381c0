import type { LiveQuery, LiveRow, LiveSort, LiveTable } from '../model/live.js'

/** A container's row, with what its framework is known by. */
export type ContainerRow = LiveRow & { readonly frameworkId: string }

/** The rows that a query wants, the most important first. */
export function selectRows(rows: Iterable<LiveRow>, { search, sort, limit }: LiveQuery): LiveTable {
  const wanted = search.toLowerCase()
  const found = [...rows].filter((row) => wanted === '' || isFound(row, wanted)).sort(orders[sort])
  return { found: found.length, rows: found.slice(0, limit) }
}

/** Containers of one framework added up; those without one are a row of their own. */
export function frameworkRows(containers: Iterable<ContainerRow>): LiveRow[] {
  const byFramework = new Map<string, LiveRow & { containers: number }>()
  for (const row of containers) {
    const sum = byFramework.get(row.frameworkId)
    byFramework.set(row.frameworkId, sum === undefined ? firstOf(row) : addRow(sum, row))
  }
  return [...byFramework.values()]
}

function isFound({ id, name = '', framework = '' }: LiveRow, wanted: string): boolean {
  return [id, name, framework].some((text) => text.toLowerCase().includes(wanted))
}

const byName = (a: LiveRow, b: LiveRow) => compare(a.name ?? a.id, b.name ?? b.id) || compare(a.id, b.id)

// Whoever looks by age looks for those that have gone silent.
const orders: Readonly<Record<LiveSort, (a: LiveRow, b: LiveRow) => number>> = {
  rate: (a, b) => b.rate - a.rate || byName(a, b),
  bytes: (a, b) => b.byteRate - a.byteRate || byName(a, b),
  drops: (a, b) => dropsOf(b) - dropsOf(a) || (b.dropped ?? 0) - (a.dropped ?? 0) || b.rate - a.rate || byName(a, b),
  age: (a, b) => (a.lastMs ?? 0) - (b.lastMs ?? 0) || byName(a, b),
  name: byName,
}

const dropsOf = ({ dropRate = 0, kernelDrops = 0 }: LiveRow) => dropRate + kernelDrops

function firstOf({ frameworkId, framework, name: _application, ...figures }: ContainerRow) {
  const id = frameworkId === '' ? '(no framework)' : frameworkId
  return { ...figures, id, ...(framework !== undefined && framework !== id && { name: framework }), containers: 1 }
}

function addRow<Sum extends LiveRow & { containers: number }>(sum: Sum, row: LiveRow): Sum {
  const both = (key: 'dropRate' | 'dropped' | 'kernelDrops') =>
    sum[key] === undefined && row[key] === undefined ? {} : { [key]: (sum[key] ?? 0) + (row[key] ?? 0) }
  const lastMs = Math.max(sum.lastMs ?? 0, row.lastMs ?? 0)
  return {
    ...sum,
    containers: sum.containers + 1,
    rate: sum.rate + row.rate,
    byteRate: sum.byteRate + row.byteRate,
    ...both('dropRate'),
    ...both('dropped'),
    ...both('kernelDrops'),
    ...(lastMs > 0 && { lastMs }),
  }
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
