import { readFileSync } from 'node:fs'

const page = readFileSync(new URL('../../deploy/SIZING.md', import.meta.url), 'utf8')
const { renderSizing, withMeasured } = (await import(new URL('../sizing/tables.js', import.meta.url).href)) as {
  renderSizing: (page: string, bench?: string) => string
  withMeasured: (page: string, inputs: Record<string, number>) => string
}

/** A table as `npm run bench -- --update` writes it, of these rows alone. */
function benchPage(...rows: string[]): string {
  return [
    '<!-- newest table: written by `npm run bench -- --update` -->',
    '| part | case | subject | CPU | wall | value | unit | ratio | target | |',
    ...rows,
    '<!-- end of the newest table -->',
  ].join('\n')
}

/** The second cell of the table row that begins with this one. */
function cell(text: string, first: string): number {
  const line = text.split('\n').find((line) => line.startsWith(`| ${first} |`))
  return Number(line?.split('|')[2]?.replaceAll(',', ''))
}

test('the tables of deploy/SIZING.md are what its figures and the newest bench make: `node test/sizing/tables.js` writes them anew', () => {
  expect(renderSizing(page)).toBe(page)
})

test('another bench makes other tables', () => {
  const rendered = renderSizing(
    page,
    benchPage(
      '| consume      | embedded bus to influx | avsc and template strings | | | 272,000 | datapoints a CPU second | | | |',
      '| consume      | embedded bus to influx | dcos-stats | | | 61,000 | datapoints a CPU second | 1.33 | ≥ 3 | MISSED |',
      '| statsd-proxy | 3,000 packets/s of 30 lines | dcos-stats | 100 | 11.4 | | µs/line | 2.87 | | |',
    ),
  )
  expect(rendered).toContain('| `bench.consume.influx` | consume: embedded bus to influx | 16.4 |')
  expect(cell(rendered, 'influx')).toBe(30_500)
  expect(cell(rendered, 'of it for the datapoints, by the bench')).toBe(10)
})

test('what the bench has not measured stays as it was', () => {
  expect(renderSizing(page, benchPage())).toBe(page)
})

test('other measured figures make other tables', () => {
  const rendered = renderSizing(
    withMeasured(page, { 'bursts.proxyRssMb': 5, 'lines.proxyRssMb': 6, 'gathered.proxyRssMb': 7 }),
  )
  expect(rendered).toContain('| `proxyRssMb` | MB | 5 | 6 | 7 |')
  expect(rendered).toContain('| memory of the proxy, MB | 5 | 6 | 7 |')
  const cluster = renderSizing(withMeasured(page, { 'cluster.usPerDatapoint': 0.5 }))
  expect(cell(cluster, 'measured')).toBe(5)
})

test('a figure that is missing is told by its name', () => {
  expect(() => renderSizing(page.replace('`proxyRssMb`', '`proxyRss`'))).toThrow('proxyRssMb')
})
