import { formatAddress, type HostPort, isLoopback } from '../platform/hosts.js'
import type { Complaint } from './mistake.js'
import { choice, file, group, hostPort, milliseconds, type Parsed, text } from './option.js'

/** Every command has these. */
export const commonOptions = group('Common', {
  config: file({ help: 'YAML file with the same names as the flags; flags and variables count more.' }),
  'log-level': choice(['debug', 'info', 'warn', 'error'], {
    default: 'info',
    synonyms: { none: 'error', basic: 'info', headers: 'debug', full: 'debug' },
    help: 'What is told on stderr: lines of this level and above.',
  }),
  'log-format': choice(['json', 'pretty'], {
    defaultText: 'pretty where stderr is a terminal, else json',
    help: 'Form of the lines on stderr.',
  }),
})

/** What runs until it is stopped has these besides. */
export const daemonOptions = {
  ...commonOptions,
  ...group('Operation', {
    'admin-listen': hostPort({
      defaultText: 'off',
      help: 'Serves a live page at /, /metrics, /health, /ready and /ledger here. Not on a loopback address: only with --admin-token-file.',
    }),
    'admin-token': text({
      secret: true,
      help: 'What requests to --admin-listen must carry as `Authorization: Bearer ...`. Better given by --admin-token-file.',
    }),
    'shutdown-timeout-ms': milliseconds({
      default: 10_000,
      help: 'How long what is still held may take to leave after SIGTERM or SIGINT.',
    }),
  }),
}

export function checkDaemon({
  adminListen,
  adminToken,
}: Pick<Parsed<typeof daemonOptions>, 'adminListen' | 'adminToken'>): readonly Complaint[] {
  if (adminListen === undefined || adminToken !== undefined || isLoopback(adminListen.host)) return []
  return [{ options: ['admin-listen'], text: needsToken(adminListen) }]
}

function needsToken(adminListen: HostPort): string {
  return (
    `--admin-listen ${formatAddress(adminListen)} can be reached from other machines: ` +
    'give --admin-token-file too, or listen on 127.0.0.1.'
  )
}
