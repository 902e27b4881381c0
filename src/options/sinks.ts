import type { Complaint } from './mistake.js'
import { choice, choices, flag, group, integer, milliseconds, type Parsed, port, text } from './option.js'

const selection = group('Sinks', {
  sink: choices(['stdout', 'influx', 'graphite'], {
    default: ['stdout'],
    help: 'Where metrics go. Several: separated by commas, or the flag repeated.',
  }),
  'output-host': text({ placeholder: 'HOST', help: 'Host of InfluxDB or Graphite.' }),
  'output-port': port({ defaultText: '8086 for influx, 2003 for graphite', help: 'Its port.' }),
  'influx-host': text({ placeholder: 'HOST', defaultText: '--output-host', help: 'Host of InfluxDB alone.' }),
  'influx-port': port({ defaultText: '--output-port', help: 'Its port.' }),
  'graphite-host': text({ placeholder: 'HOST', defaultText: '--output-host', help: 'Host of Graphite alone.' }),
  'graphite-port': port({ defaultText: '--output-port', help: 'Its port.' }),
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
    default: 'spread',
    help: 'Datapoints of one series in the same millisecond: the last stays, they are added, or each gets a nanosecond of its own.',
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

/** A sink that is a server. */
export type Store = 'influx' | 'graphite'

/** Where a store is, and the options that say so: its own ones where they are given, else those that both share. */
export interface StoreAddress {
  readonly host: string | undefined
  readonly port: number | undefined
  /** Without dashes. */
  readonly hostOption: string
  readonly portOption: string
}

export function storeAddress(
  store: Store,
  options: Pick<Options, 'outputHost' | 'outputPort' | `${Store}Host` | `${Store}Port`>,
): StoreAddress {
  const { [`${store}Host` as const]: ownHost, [`${store}Port` as const]: ownPort, outputHost, outputPort } = options
  return {
    host: ownHost ?? outputHost,
    port: ownPort ?? outputPort,
    hostOption: ownHost === undefined ? 'output-host' : `${store}-host`,
    portOption: ownPort === undefined ? 'output-port' : `${store}-port`,
  }
}

export function checkSinks(options: Options): readonly Complaint[] {
  const stores = options.sink.filter((sink) => sink !== 'stdout')
  return [...checkHosts(options, stores), ...checkSharedPort(options, stores), ...checkInflux(options)]
}

function checkHosts(options: Options, stores: readonly Store[]): readonly Complaint[] {
  const homeless = stores.filter((store) => storeAddress(store, options).host === undefined)
  return homeless.map((store) => {
    const own = stores.length > 1 ? ` or --${store}-host` : ''
    return { options: ['sink', 'output-host'], text: `--sink ${store} needs --output-host (OUTPUT_HOST)${own}.` }
  })
}

/** Both may live on one host, each at its usual port; but a port is one server's. */
function checkSharedPort(options: Options, stores: readonly Store[]): readonly Complaint[] {
  const sharing = stores.filter((store) => storeAddress(store, options).portOption === 'output-port')
  if (sharing.length < 2 || options.outputPort === undefined) return []
  const text = '--output-port cannot be the port of both influx and graphite: give --influx-port and --graphite-port.'
  return [{ options: ['sink', 'output-port'], text }]
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
