import { suggest } from '../../src/options/suggest.js'

const known = ['kafka-brokers', 'kafka-framework', 'bus', 'sink', 'listen-port', 'listen-port-end']

test.each<[rule: string, typed: string, meant: string | undefined]>([
  ['a letter too many', 'kafka-brokerss', 'kafka-brokers'],
  ['a letter too few', 'kafka-brokes', 'kafka-brokers'],
  ['another letter', 'kavka-brokers', 'kafka-brokers'],
  ['neighbours swapped', 'kafka-borkers', 'kafka-brokers'],
  ['two faults in a long name', 'kfka-brokrs', 'kafka-brokers'],
  ['underscores', 'kafka_brokers', 'kafka-brokers'],
  ['upper case', 'KAFKA_BROKERS', 'kafka-brokers'],
  ['one fault in a short name', 'sikn', 'sink'],
  ['two faults in a short name are too many', 'kins', undefined],
  ['the nearest of several', 'listen-prt', 'listen-port'],
  ['nothing near', 'output-host', undefined],
  ['no text at all', '', undefined],
])('%s', (_rule, typed, meant) => {
  expect(suggest(typed, known)).toBe(meant)
})
