import { checkDaemon, daemonOptions } from './common.js'
import type { Complaint } from './mistake.js'
import { brokers, directory, group, type Parsed, seconds, url } from './option.js'
import { checkSinks, sinkOptions } from './sinks.js'

const stackOptions = group('Stack', {
  duration: seconds({ defaultText: 'until stopped', help: 'End after this time.' }),
  'agent-url': url({ defaultText: 'a simulated agent', help: 'A real Mesos agent, such as http://10.0.0.5:5051.' }),
  'kafka-brokers': brokers({
    defaultText: 'the embedded bus',
    help: 'A real Kafka: its brokers, separated by commas.',
  }),
  'bus-dir': directory({
    defaultText: 'a temporary one, removed at the end',
    help: 'Directory of the embedded bus.',
  }),
})

export const localStackOptions = {
  ...stackOptions,
  ...sinkOptions,
  ...daemonOptions,
  'admin-listen': {
    ...daemonOptions['admin-listen'],
    defaultText: '127.0.0.1:9100, or a free port where that is taken',
  },
}

export function checkLocalStack(options: Parsed<typeof localStackOptions>): readonly Complaint[] {
  return [...checkSinks(options), ...checkDaemon(options)]
}
