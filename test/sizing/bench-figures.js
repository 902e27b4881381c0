// What deploy/SIZING.md takes from the newest table of `npm run bench`.

/** By the names that the page has for them. */
export const benchRows = [
  proxy('bench.proxy.bursts', '3,000 packets/s of 30 lines'),
  proxy('bench.proxy.lines', '20,000 packets/s of 1 line'),
  collector('bench.collector.bursts', '1 lists × 100, null'),
  collector('bench.collector.lines', '100 lists × 1, null'),
  ...['stdout', 'influx', 'graphite'].map(consumer),
]

function proxy(name, title) {
  return { name, of: `statsd-proxy: ${title}`, part: 'statsd-proxy', title, subject: 'dcos-stats', read: cpu }
}

function collector(name, title) {
  const subject = 'dcos-stats, bus embedded'
  return { name, of: `collector, embedded bus: ${title}`, part: 'collector', title, subject, read: cpu }
}

function consumer(sink) {
  const title = `embedded bus to ${sink}`
  const read = ({ value }) => 1e6 / value
  return { name: `bench.consume.${sink}`, of: `consume: ${title}`, part: 'consume', title, subject: 'dcos-stats', read }
}

function cpu({ cpu }) {
  return cpu
}

/** µs of CPU a datapoint, by name; what the table does not have is not there. */
export function readBenchTable(page) {
  const [, table = ''] = /<!-- newest table[^\n]*-->([\s\S]*?)<!-- end of the newest table -->/.exec(page) ?? []
  const rows = table.split('\n').map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
  const figures = {}
  for (const { name, part, title, subject, read } of benchRows) {
    const row = rows.find((cells) => cells[0] === part && cells[1] === title && cells[2] === subject)
    if (row === undefined) continue
    const figure = read({ cpu: Number(row[3]), value: Number(row[5].replaceAll(',', '')) })
    if (Number.isFinite(figure) && figure > 0) figures[name] = figure
  }
  return figures
}
