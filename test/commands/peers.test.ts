import { workingCommands } from '../../src/commands/index.js'
import { configShowOptions, validateOptions } from '../../src/options/about.js'
import type { OptionRows } from '../../src/options/option.js'

const nothing = { flags: new Map(), strays: [], home: '/home/me', readFile: () => '' }

async function peersOf(name: string, environment: Record<string, string>) {
  const command = workingCommands.find((command) => command.name === name)!
  const { peers } = await command.examine({ ...nothing, environment }, {})
  return peers.map((peer) => {
    const where = 'address' in peer ? peer.address : 'framework' in peer ? peer.framework : (peer.url ?? peer.ipCommand)
    return `${peer.kind} ${where} --${peer.option}`
  })
}

test.each<[rule: string, command: string, variables: Record<string, string>, peers: string[]]>([
  [
    'the proxy talks to collector and agent',
    'statsd-proxy',
    {},
    ['tcp 127.0.0.1:8124 --output-collector-ip', 'agent /opt/mesosphere/bin/detect_ip --agent-ip-command'],
  ],
  [
    'with StatsD as its only output, to that server',
    'statsd-proxy',
    { OUTPUT_COLLECTOR_ENABLED: 'false', OUTPUT_STATSD_ENABLED: 'true', AGENT_POLLING: 'false' },
    ['udp metrics.marathon.mesos:8125 --output-statsd-host'],
  ],
  [
    'the collector talks to the brokers that are named',
    'collector',
    { KAFKA_BROKERS: 'a:9092,b:9093', AGENT_URL: 'http://10.0.0.5:5051' },
    ['tcp a:9092 --kafka-brokers', 'tcp b:9093 --kafka-brokers', 'agent http://10.0.0.5:5051 --agent-url'],
  ],
  [
    'else to those of the framework',
    'collector',
    { AGENT_POLLING: 'false' },
    ['kafka_framework kafka --kafka-framework'],
  ],
  [
    'without Kafka and with an agent from files to nobody',
    'collector',
    { BUS: 'none', AGENT_TEST_STATE_FILE: 'x' },
    [],
  ],
  [
    'its own metrics go by UDP',
    'collector',
    { BUS: 'embedded', AGENT_POLLING: 'false', STATSD_UDP_HOST: '::1', STATSD_UDP_PORT: '8125' },
    ['udp [::1]:8125 --statsd-udp-host'],
  ],
  ['a consumer that prints talks to the bus alone', 'consume', { KAFKA_BROKERS: 'a:1' }, ['tcp a:1 --kafka-brokers']],
  [
    'InfluxDB has a usual port',
    'consume',
    { BUS: 'embedded', SINK: 'influx,stdout', OUTPUT_HOST: 'db', OUTPUT_DATABASE: 'd' },
    ['tcp db:8086 --output-host'],
  ],
  ['so has Graphite', 'consume', { BUS: 'embedded', SINK: 'graphite', OUTPUT_HOST: 'g' }, ['tcp g:2003 --output-host']],
  [
    'Graphite by UDP at a port of its own',
    'consume',
    { BUS: 'embedded', SINK: 'graphite', OUTPUT_HOST: 'g', OUTPUT_PORT: '9', GRAPHITE_PROTOCOL: 'udp' },
    ['udp g:9 --output-host'],
  ],
  [
    'two stores have their own addresses, or share a host',
    'consume',
    {
      BUS: 'embedded',
      SINK: 'influx,graphite',
      OUTPUT_HOST: 'h',
      OUTPUT_DATABASE: 'd',
      GRAPHITE_HOST: 'g',
      GRAPHITE_PORT: '9',
    },
    ['tcp h:8086 --output-host', 'tcp g:9 --graphite-host'],
  ],
  [
    'the StatsD emitter sends by UDP',
    'emit statsd',
    { STATSD_UDP_HOST: 'h', STATSD_UDP_PORT: '8125' },
    ['udp h:8125 --statsd-udp-host'],
  ],
  ['the Avro emitter by TCP', 'emit avro', { ENDPOINT: 'c:8124' }, ['tcp c:8124 --endpoint']],
  ['an audit asks daemons', 'audit', { ADMIN: 'a:1,[::1]:2' }, ['tcp a:1 --admin', 'tcp [::1]:2 --admin']],
  ['local-stack is alone', 'local-stack', {}, []],
  [
    'unless it has a real agent or Kafka',
    'local-stack',
    { AGENT_URL: 'http://a:5051', KAFKA_BROKERS: 'k:1' },
    ['agent http://a:5051 --agent-url', 'tcp k:1 --kafka-brokers'],
  ],
])('%s', async (_rule, command, variables, peers) => {
  expect(await peersOf(command, variables)).toEqual(peers)
})

test.each([
  ['validate', validateOptions],
  ['config show', configShowOptions],
])('a flag of %s means the same where a command has one of its name', (_words, own: OptionRows) => {
  const clashes = workingCommands.flatMap(({ name, options }) =>
    Object.entries(own)
      .filter(([option, { kind, default: preset }]) => {
        const other = options[option]
        return other && (other.kind.type !== kind.type || other.default !== preset)
      })
      .map(([option]) => `${name} --${option}`),
  )
  expect(clashes).toEqual([])
})

test('every command says whom it talks to', () => {
  // A command without `peers` would pass `validate --connect` whatever its options name.
  expect(workingCommands.filter((command) => !('peers' in command)).map(({ name }) => name)).toEqual([])
})
