import { flag, group, milliseconds } from './option.js'

/** What `validate COMMAND` takes besides the options of the command. */
export const validateOptions = group('Validating', {
  connect: flag({
    default: false,
    flagOnly: true,
    help: 'Also try whom the options name: Kafka, the collector, the Mesos agent, InfluxDB, Graphite.',
  }),
  'connect-timeout-ms': milliseconds({ default: 3000, flagOnly: true, help: 'How long each of them may take.' }),
})

/** What `config show COMMAND` takes besides the options of the command. */
export const configShowOptions = group('Showing', {
  json: flag({ default: false, flagOnly: true, help: 'A JSON array in place of a table.' }),
})
