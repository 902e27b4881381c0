import { type CatalogRow, catalog, type MetricId } from './catalog.js'

/** Metrics of the catalogue that can share a plot: one part of the program, one kind, unit and label. */
export interface MetricGroup {
  readonly title: string
  readonly description: string
  /** What they have in common. */
  readonly row: CatalogRow
  readonly ids: readonly MetricId[]
}

export interface MetricSection {
  readonly title: string
  readonly groups: readonly MetricGroup[]
}

/** In the order of the stream. A part that is not named here goes by its own name, behind the others. */
const titles: Readonly<Record<string, string>> = {
  proxy: 'StatsD proxy',
  'collector.tcp_input': 'Collector: Avro by TCP',
  'collector.agent_poll': 'Collector: Mesos agent',
  'collector.topic_sorter': 'Collector: batches',
  'collector.kafka_output': 'Collector: to the bus',
  'collector.spool': 'Collector: spool',
  'collector.partner': 'Collector: partner agents',
  consume: 'Consumers',
  sink: 'Sinks',
  bus: 'Kafka and the embedded bus',
  admin: 'Admin servers',
}

/** The whole catalogue, or what of it begins so, part by part. */
export function groupCatalog(idPrefix = ''): MetricSection[] {
  const ids = (Object.keys(catalog) as MetricId[]).filter((id) => id.startsWith(idPrefix))
  const parts = groupBy(ids, partOf)
  const order = [...Object.keys(titles), ...parts.keys()]
  return [...parts]
    .sort(([one], [other]) => order.indexOf(one) - order.indexOf(other))
    .map(([part, own]) => ({
      title: titles[part] ?? part,
      groups: [...groupBy(own, plotOf).values()].map(toGroup),
    }))
}

/** The last part of an id, as a legend. */
export function shortName(id: MetricId): string {
  return id.slice(partOf(id).length + 1)
}

export function rowOf(id: MetricId): CatalogRow {
  return catalog[id]
}

function partOf(id: MetricId): string {
  const [role = '', part = ''] = id.split('.')
  return role === 'collector' ? `${role}.${part}` : role
}

function plotOf(id: MetricId): string {
  const { kind, unit, label = '', meansLoss = false } = rowOf(id)
  return [kind, unit, label, meansLoss].join(' ')
}

function toGroup(ids: readonly MetricId[]): MetricGroup {
  const row = rowOf(ids[0]!)
  const { kind, unit, label, meansLoss } = row
  // One alone is called by its name.
  const subject = ids.length > 1 ? unit : shortName(ids[0]!).replaceAll('_', ' ')
  const what = capital(`${subject}${kind === 'counter' ? ' per second' : ''}`)
  const divided = label === undefined ? '' : `, by ${label.replace('_id', '')}`
  return {
    title: `${meansLoss ? `Lost: ${what.toLowerCase()}` : what}${divided}`,
    description: ids.map((id) => `${shortName(id)}: ${rowOf(id).help}`).join('\n\n'),
    row,
    ids,
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function groupBy<Value, Key>(values: readonly Value[], keyOf: (value: Value) => Key): Map<Key, Value[]> {
  const groups = new Map<Key, Value[]>()
  for (const value of values) groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value])
  return groups
}
