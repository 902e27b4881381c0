import type { Complaint } from './mistake.js'
import { choice, choices, flag, group, integer, milliseconds, type Parsed, port, text } from './option.js'

const selection = group('Sinks', {
  sink: choices(['stdout', 'influx', 'graphite'], {
    default: ['stdout'],
    help: 'Where metrics go. Several: separated by commas, or the flag repeated.',
  }),
  'output-host': text({ placeholder: 'HOST', help: 'Host of InfluxDB or Graphite.' }),
  'output-port': port({ defaultText: '8086 for influx, 2003 for graphite', help: 'Its port.' }),
})

const stdout = group('Sink stdout', {
  format: choice(['json', 'pretty', 'influx', 'graphite'], {
    defaultText: 'json; local-stack: pretty where stdout is a terminal',
    help: 'json is an object a line; influx and graphite are those line protocols.',
  }),
})

const influx = group('Sink influx', {
  'output-username': text({ default: '', help: 'User, for InfluxDB 1.' }),
  'output-password': text({ default: '', secret: true, help: 'Password, for InfluxDB 1.' }),
  'output-database': text({ help: 'Database, for InfluxDB 1.' }),
  'retention-policy': text({ help: "Retention policy, for InfluxDB 1; the database's own where not given." }),
  'create-db': flag({ default: true, help: 'Create the database where it is missing.' }),
  org: text({ help: 'Organisation, for InfluxDB 2.' }),
  bucket: text({ help: 'Bucket, for InfluxDB 2 and later.' }),
  token: text({ secret: true, help: 'Token, for InfluxDB 2 and later.' }),
  'measurement-name': text({
    default: 'dcos',
    help: 'Measurement of every point; the name of a datapoint is its field.',
  }),
  'batch-points': integer({ default: 2000, unit: 'points', help: 'A request leaves with this many points.' }),
  'batch-ms': milliseconds({ default: 100, help: 'Or once the first has waited this long.' }),
  gzip: flag({ default: true, help: 'Compress requests.' }),
  'on-collision': choice(['last', 'sum', 'spread'], {
    default: 'last',
    help: 'Datapoints of one series in the same millisecond: the last stays, they are added, or the later ones move on by the smallest step.',
  }),
})

const graphite = group('Sink graphite', {
  'graphite-protocol': choice(['tcp', 'udp', 'pickle'], { default: 'tcp', help: "Carbon's protocol." }),
  'graphite-prefix': text({ default: '', help: 'In front of every path.' }),
  'graphite-prefix-ids': flag({ default: true, help: 'Framework, executor and container ids in front of the name.' }),
  'graphite-tags': flag({ default: false, help: "Write Graphite's tags (name;key=value) instead of ids in the path." }),
  'exit-on-connect-failure': flag({
    default: true,
    help: 'End (exit code 69) where Graphite cannot be reached; otherwise keep trying.',
  }),
})

/** The sinks of consume and local-stack. */
export const sinkOptions = { ...selection, ...stdout, ...influx, ...graphite }

type Options = Parsed<typeof sinkOptions>

export function checkSinks(options: Options): readonly Complaint[] {
  const stores = options.sink.filter((sink) => sink !== 'stdout')
  return [...checkHost(options, stores), ...checkInflux(options)]
}

function checkHost({ outputHost }: Options, stores: readonly string[]): readonly Complaint[] {
  if (stores.length > 1) {
    const text = 'influx and graphite share --output-host and --output-port: start a consumer for each.'
    return [{ options: ['sink'], text }]
  }
  if (stores.length === 0 || outputHost !== undefined) return []
  return [{ options: ['sink', 'output-host'], text: `--sink ${stores[0]} needs --output-host (OUTPUT_HOST).` }]
}

function checkInflux({ sink, outputDatabase, bucket, token }: Options): readonly Complaint[] {
  if (!sink.includes('influx')) return []
  if (outputDatabase === undefined && bucket === undefined) {
    const text = '--sink influx needs --output-database (InfluxDB 1) or --bucket with --token (2 and later).'
    return [{ options: ['sink', 'output-database', 'bucket'], text }]
  }
  if (bucket === undefined || token !== undefined) return []
  return [{ options: ['bucket', 'token'], text: '--bucket needs --token-file or --token.' }]
}
