import type { Tag } from '../model/metric-list.js'

/**
 * The text form of Prometheus, version 0.0.4.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/ and, for names, .../concepts/data_model/
 */
export const prometheusContentType = 'text/plain; version=0.0.4; charset=utf-8'

/** The label that keeps metrics apart whose names are the same once they are legal. */
export const originalNameLabel = 'original_name'

/** A legal metric name: letters, digits and `_`, no digit first; every other character as `_`. Colons are for rules, not for metrics. */
export function prometheusMetricName(name: string): string {
  return legalName(name)
}

/**
 * Tags as labels, `a="1",b="2"`, in the order of their names, so that the same tags in another order are the same series.
 *
 * - Names are made legal as metric names are; those that begin with two underscores are Prometheus' own, and lose one or more.
 * - A name that is taken already, by a repeated tag or because it became equal to another, gets `_2`, `_3` ...;
 *   a tag repeated with the same value stands once.
 * - A tag without a value has the value `true`: to Prometheus, an empty label is one that is not there.
 */
export function prometheusLabels(tags: readonly Tag[]): string {
  const values = new Map<string, string>()
  for (const { key, value } of tags) addLabel(values, legalLabelName(key), value === '' ? 'true' : value)
  return [...values]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => prometheusLabel(name, value))
    .join(',')
}

/** @param name legal already */
export function prometheusLabel(name: string, value: string): string {
  return `${name}="${escapeLabelValue(value)}"`
}

/** The two lines in front of a metric's samples. */
export function prometheusHead(metricName: string, help: string): string {
  return `# HELP ${metricName} ${escapeHelp(help)}\n# TYPE ${metricName} gauge\n`
}

/** @param labels without braces; '' for none */
export function prometheusSample(metricName: string, labels: string, value: number): string {
  return labels === '' ? `${metricName} ${valueText(value)}\n` : `${metricName}{${labels}} ${valueText(value)}\n`
}

function legalName(name: string): string {
  const legal = name.replace(/[^a-zA-Z0-9_]/gu, '_')
  return legal === '' || /^[0-9]/.test(legal) ? `_${legal}` : legal
}

function legalLabelName(key: string): string {
  return legalName(key).replace(/^__+/, '_')
}

function addLabel(values: Map<string, string>, name: string, value: string): void {
  let free = name
  for (let number = 2; values.has(free) || free === originalNameLabel; number++) {
    if (values.get(free) === value) return
    // `__2` would be one of Prometheus' own.
    free = name === '_' ? `_${number}` : `${name}_${number}`
  }
  values.set(free, value)
}

// What a line needs, and all that some reader could take for the end of a line or of the text: only `\n` has an escape.
const unsafe = /[\\"\p{Cc}\u2028\u2029]/u
const allUnsafe = /[\\"\p{Cc}\u2028\u2029]/gu

function escapeLabelValue(value: string): string {
  return unsafe.test(value) ? value.replace(allUnsafe, escapeCharacter) : value
}

function escapeHelp(text: string): string {
  return text.replace(allUnsafe, (character) => (character === '"' ? character : escapeCharacter(character)))
}

function escapeCharacter(character: string): string {
  if (character === '\n') return '\\n'
  if (character === '\\' || character === '"') return `\\${character}`
  return character === '\t' ? character : '\ufffd'
}

function valueText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}
