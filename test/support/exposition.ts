/** One sample of a page, its labels as they read. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const labelName = /^[a-zA-Z_][a-zA-Z0-9_]*$/
const sampleLine = /^([^\s{]+)(?:\{(.*)\})? (\S+)$/

/**
 * Reads Prometheus' text form 0.0.4 more strictly than any scraper: throws at whatever the format's description does not allow,
 * at what it only allows elsewhere (no HELP, no TYPE, timestamps), at a series that is there twice, and at metrics in pieces.
 */
export function parseExposition(page: string): Sample[] {
  if (page === '') return []
  if (!page.endsWith('\n')) throw new Error('The last line has no end')
  const samples: Sample[] = []
  const series = new Set<string>()
  const begun = new Set<string>()
  const lines = page.slice(0, -1).split('\n')
  for (let at = 0; at < lines.length; ) at = readMetric(lines, at, { samples, series, begun })
  return samples
}

function readMetric(
  lines: readonly string[],
  start: number,
  { samples, series, begun }: { samples: Sample[]; series: Set<string>; begun: Set<string> },
): number {
  const [, helpName, help = ''] = /^# HELP (\S+) (.*)$/.exec(lines[start]!) ?? fail(start, lines, 'expected HELP')
  const [, typeName] = /^# TYPE (\S+) gauge$/.exec(lines[start + 1] ?? '') ?? fail(start + 1, lines, 'expected TYPE')
  if (helpName !== typeName || !metricName.test(helpName!)) fail(start, lines, 'no legal name')
  if (/\\(?![\\n])/.test(help.replace(/\\\\/g, ''))) fail(start, lines, 'a backslash that escapes nothing')
  if (begun.has(helpName!)) fail(start, lines, 'a metric for the second time')
  begun.add(helpName!)
  let at = start + 2
  for (; at < lines.length && !lines[at]!.startsWith('#'); at++) {
    const sample = readSample(lines, at)
    if (sample.name !== helpName) fail(at, lines, `a sample among those of ${helpName}`)
    const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()])
    if (series.has(key)) fail(at, lines, 'a series for the second time')
    series.add(key)
    samples.push(sample)
  }
  if (at === start + 2) fail(start, lines, 'a metric without samples')
  return at
}

function readSample(lines: readonly string[], at: number): Sample {
  const [, name = '', labels, value = ''] = sampleLine.exec(lines[at]!) ?? fail(at, lines, 'no sample')
  return { name, labels: labels === undefined ? {} : readLabels(labels, at, lines), value: readValue(value, at, lines) }
}

function readLabels(text: string, at: number, lines: readonly string[]): Record<string, string> {
  const labels: Record<string, string> = {}
  let rest = text
  for (;;) {
    const [whole = '', name = '', value = ''] = /^([^=]*)="((?:\\.|[^\\"])*)"/.exec(rest) ?? fail(at, lines, 'no label')
    if (!labelName.test(name) || name.startsWith('__')) fail(at, lines, `no legal label: ${name}`)
    if (Object.hasOwn(labels, name)) fail(at, lines, `a label for the second time: ${name}`)
    if (/\\[^\\"n]/.test(value.replace(/\\\\/g, ''))) fail(at, lines, 'a backslash that escapes nothing')
    if (value === '' || value.includes('\0')) fail(at, lines, 'a value that Prometheus would not see')
    labels[name] = value.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character))
    rest = rest.slice(whole.length)
    if (rest === '') return labels
    if (!rest.startsWith(',')) fail(at, lines, 'no comma')
    rest = rest.slice(1)
  }
}

function readValue(text: string, at: number, lines: readonly string[]): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY
  if (text === '-Inf') return Number.NEGATIVE_INFINITY
  if (text === 'NaN') return Number.NaN
  return /^-?\d+(\.\d+)?(e[+-]\d+)?$/.test(text) ? Number(text) : fail(at, lines, 'no number')
}

function fail(at: number, lines: readonly string[], what: string): never {
  throw new Error(`Line ${at + 1}, ${what}: ${lines[at]}`)
}
