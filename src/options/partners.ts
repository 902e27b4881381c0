import { fileMode, group, hostPort, integer, listenAddress, seconds } from './option.js'

/** Copies of what the collector sends, for other agents on the node. Each is off unless its address is given. */
export const partnerOptions = group('Partner agents on this node', {
  'partner-listen': listenAddress({
    defaultText: 'off',
    help: 'Every connection gets the outgoing lists as an Avro stream; a slow reader is cut off.',
  }),
  'partner-listen-socket-mode': fileMode({
    default: '0660',
    help: 'Permissions of the unix socket of --partner-listen.',
  }),
  'partner-listen-buffer-kbytes': integer({
    default: 4096,
    max: 1024 * 1024,
    unit: 'KiB',
    help: 'What may wait for a reader before it is cut off.',
  }),
  'partner-statsd': hostPort({
    defaultText: 'off',
    help: 'Every datapoint as a DogStatsD gauge to a local agent, by UDP.',
  }),
  'partner-statsd-datagram-bytes': integer({
    default: 1432,
    min: 100,
    max: 65_507,
    unit: 'bytes',
    help: 'What one datagram may hold; longer lines are left out and counted.',
  }),
  'partner-prometheus': hostPort({
    defaultText: 'off',
    help: 'The newest value of every series with its tags as labels, at /metrics, for a scrape.',
  }),
  'partner-prometheus-expiry': seconds({ default: 300, help: 'A series without a new value for so long is gone.' }),
  'partner-prometheus-series-limit': integer({
    default: 100_000,
    max: 10_000_000,
    unit: 'series',
    help: 'Further series are left out and counted.',
  }),
})
