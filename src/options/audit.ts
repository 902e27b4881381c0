import { commonOptions } from './common.js'
import { flag, group, hostPorts, milliseconds, seconds, text } from './option.js'

/** How the admin servers of running daemons are asked. */
export const adminClientOptions = group('Daemons', {
  admin: hostPorts({
    required: true,
    help: 'The --admin-listen of a daemon; several separated by commas, or the flag repeated.',
  }),
  'admin-token': text({
    secret: true,
    help: 'Sent to each as `Authorization: Bearer ...`, where they have --admin-token. Better given by --admin-token-file.',
  }),
  'admin-timeout-ms': milliseconds({ default: 5000, help: 'How long one answer may take.' }),
})

export const auditOptions = {
  ...adminClientOptions,
  ...group('Audit', {
    wait: seconds({
      default: 5,
      min: 0,
      help: 'How long what one hop has forwarded may take to be received by the next.',
    }),
    json: flag({ default: false, help: 'A JSON object in place of tables.' }),
  }),
  config: commonOptions.config,
}
