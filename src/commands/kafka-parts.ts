import type { KafkaOptions } from '../bus/kafka-options.js'
import type { kafkaClientOptions } from '../options/kafka.js'
import type { Parsed } from '../options/option.js'
import type { Log } from '../telemetry/log.js'
import type { Daemon } from './daemon.js'

/** How the options say a Kafka cluster is reached: the part that writers and readers share. */
export function kafkaConnection(
  options: Parsed<typeof kafkaClientOptions>,
  framework: string,
  { log, counters, clock }: Daemon,
): KafkaOptions {
  const { kafkaBrokers } = options
  return {
    brokers: kafkaBrokers.length === 0 ? { framework } : kafkaBrokers,
    telemetry: { log: options.kafkaVerbose ? tellingDebug(log) : log, counters },
    clock,
    clientId: options.kafkaClientId,
    requestTimeoutMs: options.kafkaRequestTimeoutMs,
    tls: tlsOf(options),
    sasl: saslOf(options),
  }
}

/** The Kafka client's own messages come as debug: --kafka-verbose tells them without everybody else's. */
function tellingDebug(log: Log): Log {
  return { debug: log.info.bind(log), info: log.info.bind(log), warn: log.warn.bind(log), error: log.error.bind(log) }
}

function tlsOf(options: Parsed<typeof kafkaClientOptions>): KafkaOptions['tls'] {
  if (!options.kafkaTls) return undefined
  return {
    caFile: options.kafkaTlsCaFile,
    certFile: options.kafkaTlsCertFile,
    keyFile: options.kafkaTlsKeyFile,
    keyPassphrase: options.kafkaTlsKeyPassphrase,
    serverName: options.kafkaTlsServerName,
  }
}

function saslOf(options: Parsed<typeof kafkaClientOptions>): KafkaOptions['sasl'] {
  const mechanism = options.kafkaSaslMechanism
  if (mechanism === undefined) return undefined
  if (mechanism === 'oauthbearer') return { mechanism, tokenFile: options.kafkaSaslTokenFile ?? '' }
  return { mechanism, username: options.kafkaSaslUsername ?? '', password: options.kafkaSaslPassword ?? '' }
}
