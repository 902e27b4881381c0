// Computes the tables of deploy/SIZING.md from the measured figures in the page itself, and from the newest table of `npm run bench`:
// `node test/sizing/tables.js` writes them anew.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { benchRows, readBenchTable } from './bench-figures.js'

const CONTAINERS = 100
const METRICS = 100
const PERIOD_S = 10
const NODES = [10, 100, 1_000, 10_000]
const SINKS = ['stdout', 'influx', 'graphite']
/** What a core, a partition and a broker are asked for at most. */
const BUSY = 0.5
const PARTITION_MBYTES = 5
const BROKER_MBYTES = 30

const benchPath = fileURLToPath(new URL('../bench/README.md', import.meta.url))

/**
 * The page with its tables as its figures make them; everything else stays. Throws where a figure is missing.
 *
 * @param bench the page of the bench, whose newest table is read; what is not in it stays as it was
 */
export function renderSizing(page, bench = readFileSync(benchPath, 'utf8')) {
  const taken = fill(page, { bench: () => benchTable(readBenchTable(bench), readFigures(page)) })
  const figures = readFigures(taken)
  return fill(taken, {
    node: () => nodeTable(figures),
    rates: () => ratesTable(figures),
    cluster: () => clusterTable(figures),
    consumers: () => consumerTable(figures),
    check: () => checkTable(figures),
  })
}

/** The page with other measured figures: those of `measure.js`, by their names. */
export function withMeasured(page, inputs) {
  return page.replace(/^\| `([\w.]+)` \| ([^|]*) \| [^\n]* \|$/gm, (row, name, unit) => {
    const ways = [`bursts.${name}`, `lines.${name}`, `gathered.${name}`, name].filter(
      (key) => inputs[key] !== undefined,
    )
    return ways.length === 0 ? row : `| \`${name}\` | ${unit} | ${ways.map((key) => inputs[key]).join(' | ')} |`
  })
}

function fill(page, tables) {
  return page.replace(/<!-- sizing:(\w+) -->[\s\S]*?<!-- \/sizing -->/g, (old, name) => {
    return name in tables ? `<!-- sizing:${name} -->\n\n${tables[name]()}\n\n<!-- /sizing -->` : old
  })
}

/** Rows `| name | unit | bursts | lines | gathered |`, and `| name | unit | figure |`. */
function readFigures(page) {
  const rows = [...page.matchAll(/^\| `([\w.]+)` \| [^|]* \| ([^\n]*) \|$/gm)]
  const figures = Object.fromEntries(
    rows.map(([, name, cells]) => [name, cells.split('|').map((cell) => Number(cell))]),
  )
  return (name, way = 0) => {
    const figure = figures[name]?.[way]
    if (figure === undefined || Number.isNaN(figure)) throw new Error(`deploy/SIZING.md has no figure ${name} ${way}`)
    return figure
  }
}

function benchTable(measured, before) {
  const rows = benchRows.map(({ name, of }) => {
    const figure = measured[name] ?? before(name)
    return `| \`${name}\` | ${of} | ${Number(figure.toPrecision(3))} |`
  })
  return ['| Figure | Case of the bench | µs of CPU a datapoint |', '| --- | --- | --- |', ...rows].join('\n')
}

const proxyFigures = ['bench.proxy.bursts', 'bench.proxy.lines', 'bench.proxy.lines']
const collectorFigures = ['bench.collector.bursts', 'bench.collector.lines', 'bench.collector.bursts']
const emitted = (CONTAINERS * METRICS) / PERIOD_S

function perNode(figures, way) {
  const datapoints = emitted / (1 - figures('ofThemPolled', way))
  return {
    datapoints,
    mbytes: (datapoints * figures('bytesPerDatapoint', way)) / 1e6,
    compressed: (datapoints * figures('compressedBytesPerDatapoint', way)) / 1e6,
    messages: datapoints / figures('datapointsPerMessage', way),
  }
}

function nodeTable(figures) {
  const ways = [0, 1, 2]
  const row = (name, cellOf) => `| ${name} | ${ways.map((way) => cellOf(way)).join(' | ')} |`
  return [
    '| A node | in bursts | line by line | line by line, gathered |',
    '| --- | --- | --- | --- |',
    row('datapoints/s', (way) => number(perNode(figures, way).datapoints)),
    row('CPU of the proxy, % of a core', (way) => number(figures('proxyCpuPercent', way))),
    row('of it for the datapoints, by the bench', (way) => number(percent(emitted, figures(proxyFigures[way])))),
    row('CPU of the collector, % of a core', (way) => number(figures('collectorCpuPercent', way))),
    row('of it for the datapoints, by the bench', (way) =>
      number(percent(perNode(figures, way).datapoints, figures(collectorFigures[way]))),
    ),
    row('memory of the proxy, MB', (way) => number(figures('proxyRssMb', way))),
    row('memory of the collector, MB', (way) => number(figures('collectorRssMb', way))),
    row('to Kafka, KB/s, before compression', (way) => number(perNode(figures, way).mbytes * 1000)),
    row('to Kafka, KB/s, with snappy', (way) => number(perNode(figures, way).compressed * 1000)),
    row('datapoints/s from which on `--global-limit-amount-kbytes` drops', (way) =>
      number((40_960 * 1024) / 60 / figures('limitBytesPerDatapoint', way)),
    ),
    row('messages/s', (way) => number(perNode(figures, way).messages)),
  ].join('\n')
}

/** % of a core. */
function percent(datapointsPerSecond, microseconds) {
  return datapointsPerSecond * microseconds * 1e-4
}

/** What a node costs at other rates: what it costs at the measured one, and what more datapoints cost by the bench. */
function ratesTable(figures) {
  const rows = [emitted, 10_000, 50_000, 100_000].map((rate) => {
    const cells = [0, 1].flatMap((way) => {
      const { datapoints } = perNode(figures, way)
      const more = rate - emitted
      return [
        figures('proxyCpuPercent', way) + percent(more, figures(proxyFigures[way])),
        figures('collectorCpuPercent', way) + percent((more * datapoints) / emitted, figures(collectorFigures[way])),
      ]
    })
    return `| ${[number(rate), ...cells.map(number)].join(' | ')} |`
  })
  const head = ['datapoints/s of containers', 'proxy, in bursts', 'collector', 'proxy, line by line', 'collector']
  return [`| ${head.join(' | ')} |`, `| ${head.map(() => '---').join(' | ')} |`, ...rows].join('\n')
}

function checkTable(figures) {
  const count = figures('cluster.datapoints')
  const by = (name) => number((count * figures(name)) / 1e6)
  return [
    '| CPU of the collector for all of them, s | |',
    '| --- | --- |',
    `| by the bench (\`bench.collector.bursts\`) | ${by('bench.collector.bursts')} |`,
    `| measured | ${by('cluster.usPerDatapoint')} |`,
  ].join('\n')
}

function clusterTable(figures) {
  const node = perNode(figures, 0)
  const rows = NODES.map((nodes) => {
    const compressed = nodes * node.compressed
    const cells = [
      number(nodes),
      number(nodes * node.datapoints),
      number(nodes * node.mbytes),
      number(compressed),
      number((compressed * 86_400) / 1e3),
      number(nodes * node.messages),
      partitions(figures, nodes, node),
      Math.max(nodes > 10 ? 3 : 1, Math.ceil((3 * compressed) / BROKER_MBYTES)),
    ]
    return `| ${cells.join(' | ')} |`
  })
  const head = [
    'nodes',
    'datapoints/s',
    'MB/s',
    'MB/s with snappy',
    'GB a day with snappy',
    'messages/s',
    'partitions',
    'brokers',
  ]
  return [`| ${head.join(' | ')} |`, `| ${head.map(() => '---').join(' | ')} |`, ...rows].join('\n')
}

/** Enough that none carries too much, and that each consumer of the sink that needs most has one. */
function partitions(figures, nodes, node) {
  const consumers = SINKS.map((sink) => consumersOf(figures, sink, nodes, node))
  return Math.max(3, Math.ceil((nodes * node.mbytes) / PARTITION_MBYTES), ...consumers)
}

function consumersOf(figures, sink, nodes, node) {
  return Math.ceil((nodes * node.datapoints) / perConsumer(figures, sink))
}

function perConsumer(figures, sink) {
  return (BUSY * 1e6) / figures(`bench.consume.${sink}`)
}

function consumerTable(figures) {
  const node = perNode(figures, 0)
  const rows = SINKS.map((sink) => {
    const counts = NODES.map((nodes) => consumersOf(figures, sink, nodes, node))
    return `| ${sink} | ${number(perConsumer(figures, sink))} | ${counts.join(' | ')} |`
  })
  const head = ['sink', 'datapoints/s each', ...NODES.map((nodes) => `${number(nodes)} nodes`)]
  return [`| ${head.join(' | ')} |`, `| ${head.map(() => '---').join(' | ')} |`, ...rows].join('\n')
}

/** Two digits that count, and commas. */
function number(value) {
  return Number(value.toPrecision(value < 1000 ? 2 : 3)).toLocaleString('en-US')
}

export const sizingPath = fileURLToPath(new URL('../../deploy/SIZING.md', import.meta.url))

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(sizingPath, renderSizing(readFileSync(sizingPath, 'utf8')))
}
