import { liveSorts, liveTables } from '../model/live.js'
import { adminClientOptions } from './audit.js'
import { commonOptions } from './common.js'
import { choice, flag, group, hostPort, integer, text } from './option.js'

export const topOptions = {
  ...adminClientOptions,
  ...group('Daemons', {
    admin: hostPort({ default: '127.0.0.1:9100', help: 'The --admin-listen of a daemon.' }),
  }),
  ...group('Top', {
    show: choice(liveTables, { default: 'containers', help: 'Which table is shown.' }),
    sort: choice(liveSorts, {
      default: 'rate',
      help: 'What comes first: most datapoints, bytes or drops a second, the longest silence, or the name.',
    }),
    search: text({ default: '', help: 'Only what has this in its id, name or framework, in any case.' }),
    limit: integer({
      max: 1000,
      defaultText: 'as many as the terminal has room for, else 20',
      help: 'Rows of a table.',
    }),
    once: flag({ default: false, help: 'Print once, and end.' }),
    json: flag({
      default: false,
      help: 'A JSON object in place of tables, with all of them; each second, or once with --once.',
    }),
  }),
  config: commonOptions.config,
}
