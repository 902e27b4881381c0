import type { auditOptions } from '../options/audit.js'
import type { collectorOptions } from '../options/collector.js'
import type { consumeOptions } from '../options/consume.js'
import type { emitAvroOptions, emitStatsdOptions } from '../options/emit.js'
import type { localStackOptions } from '../options/local-stack.js'
import type { Parsed } from '../options/option.js'
import { type Store, storeAddress } from '../options/sinks.js'
import type { statsdProxyOptions } from '../options/statsd-proxy.js'
import type { topOptions } from '../options/top.js'
import { formatAddress } from '../platform/hosts.js'

/** Somebody whom a command will talk to, as its options name him. */
export type Peer = Named & (TcpPeer | UdpPeer | AgentPeer | KafkaFrameworkPeer)

interface Named {
  /** Who it is: `collector`, `Kafka broker`. */
  readonly role: string
  /** The option to look at where he cannot be reached, without dashes. */
  readonly option: string
}

interface TcpPeer {
  readonly kind: 'tcp'
  /** `HOST:PORT`, as it was given where it is no such thing. */
  readonly address: string
}

/** Nothing answers over UDP: that its name resolves is all that can be known. */
interface UdpPeer {
  readonly kind: 'udp'
  readonly address: string
}

interface AgentPeer {
  readonly kind: 'agent'
  readonly url: string | undefined
  readonly ipCommand: string
  readonly port: number
  readonly credential: string | undefined
}

/** A framework that is asked for its brokers, which are then tried. */
interface KafkaFrameworkPeer {
  readonly kind: 'kafka_framework'
  readonly framework: string
}

type AgentFields = Pick<
  Parsed<typeof collectorOptions>,
  'agentPolling' | 'agentUrl' | 'agentIpCommand' | 'agentPort' | 'agentTestStateFile' | 'authCredential'
>
type ProxyOutputFields = Pick<
  Parsed<typeof statsdProxyOptions>,
  | 'outputCollectorEnabled'
  | 'outputCollectorIp'
  | 'outputCollectorPort'
  | 'outputStatsdEnabled'
  | 'outputStatsdHost'
  | 'outputStatsdPort'
>
type SinkFields = Pick<
  Parsed<typeof consumeOptions>,
  'sink' | 'outputHost' | 'outputPort' | `${Store}Host` | `${Store}Port` | 'graphiteProtocol'
>

export function statsdProxyPeers(options: Parsed<typeof statsdProxyOptions>): readonly Peer[] {
  return [...statsdProxyExecPeers(options), ...agentPeers(options)]
}

export function statsdProxyExecPeers(options: ProxyOutputFields): readonly Peer[] {
  const { outputCollectorIp, outputCollectorPort, outputStatsdHost, outputStatsdPort } = options
  return [
    ...(options.outputCollectorEnabled
      ? [tcp('collector', 'output-collector-ip', outputCollectorIp, outputCollectorPort)]
      : []),
    ...(options.outputStatsdEnabled
      ? [udp('StatsD server', 'output-statsd-host', outputStatsdHost, outputStatsdPort)]
      : []),
  ]
}

export function collectorPeers(options: Parsed<typeof collectorOptions>): readonly Peer[] {
  const { bus, kafkaBrokers, kafkaFramework, statsdUdpHost, statsdUdpPort } = options
  return [
    ...(bus === 'kafka' ? kafkaPeers(kafkaBrokers, 'kafka-framework', kafkaFramework) : []),
    ...agentPeers(options),
    ...(statsdUdpHost !== undefined && statsdUdpPort !== undefined
      ? [udp('StatsD server', 'statsd-udp-host', statsdUdpHost, statsdUdpPort)]
      : []),
  ]
}

export function consumePeers(options: Parsed<typeof consumeOptions>): readonly Peer[] {
  const { bus, kafkaBrokers, kafkaFrameworkName } = options
  return [
    ...(bus === 'kafka' ? kafkaPeers(kafkaBrokers, 'kafka-framework-name', kafkaFrameworkName) : []),
    ...sinkPeers(options),
  ]
}

export function emitStatsdPeers(options: Parsed<typeof emitStatsdOptions>): readonly Peer[] {
  const { containers, isolatorEndpoint, statsdUdpHost: host, statsdUdpPort: port } = options
  if (containers > 1) return [tcp('isolator API', 'isolator-endpoint', isolatorEndpoint.host, isolatorEndpoint.port)]
  return host === undefined || port === undefined ? [] : [udp('StatsD server', 'statsd-udp-host', host, port)]
}

export function emitAvroPeers({ endpoint }: Parsed<typeof emitAvroOptions>): readonly Peer[] {
  return [tcp('collector', 'endpoint', endpoint.host, endpoint.port)]
}

export function localStackPeers(options: Parsed<typeof localStackOptions>): readonly Peer[] {
  const { agentUrl, kafkaBrokers } = options
  const agent = { url: agentUrl, ipCommand: '', port: 0, credential: undefined }
  return [
    ...(agentUrl === undefined ? [] : [agentPeer('agent-url', agent)]),
    ...kafkaBrokers.map(broker),
    ...sinkPeers(options),
  ]
}

export function auditPeers({ admin }: Parsed<typeof auditOptions>): readonly Peer[] {
  return admin.map(({ host, port }) => tcp('daemon', 'admin', host, port))
}

export function topPeers({ admin }: Parsed<typeof topOptions>): readonly Peer[] {
  return [tcp('daemon', 'admin', admin.host, admin.port)]
}

function agentPeers(options: AgentFields): readonly Peer[] {
  const { agentUrl, agentIpCommand, agentPort, authCredential } = options
  if (!options.agentPolling || options.agentTestStateFile !== undefined) return []
  const option = agentUrl === undefined ? 'agent-ip-command' : 'agent-url'
  const agent = { url: agentUrl, ipCommand: agentIpCommand, port: agentPort, credential: authCredential }
  return [agentPeer(option, agent)]
}

function agentPeer(option: string, agent: Omit<AgentPeer, 'kind'>): Peer {
  return { kind: 'agent', role: 'Mesos agent', option, ...agent }
}

function kafkaPeers(brokers: readonly string[], option: string, framework: string): readonly Peer[] {
  if (brokers.length > 0) return brokers.map(broker)
  return [{ kind: 'kafka_framework', role: 'Kafka framework', option, framework }]
}

export function broker(address: string): Peer {
  return { kind: 'tcp', role: 'Kafka broker', option: 'kafka-brokers', address }
}

function sinkPeers(options: SinkFields): readonly Peer[] {
  return options.sink.flatMap((name) => {
    if (name === 'stdout') return []
    const { host, port, hostOption } = storeAddress(name, options)
    if (host === undefined) return []
    if (name === 'influx') return [tcp('InfluxDB', hostOption, host, port ?? 8086)]
    const peer = options.graphiteProtocol === 'udp' ? udp : tcp
    return [peer('Graphite', hostOption, host, port ?? 2003)]
  })
}

function tcp(role: string, option: string, host: string, port: number): Peer {
  return { kind: 'tcp', role, option, address: formatAddress({ host, port }) }
}

function udp(role: string, option: string, host: string, port: number): Peer {
  return { kind: 'udp', role, option, address: formatAddress({ host, port }) }
}
