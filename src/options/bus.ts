import { directory, group, integer, number } from './option.js'

/** Where the embedded bus lives; the same for collector and consume, so that they meet without being told. */
export const embeddedBusOptions = group('Bus', {
  'bus-dir': directory({
    default: '~/.local/share/dcos-stats/bus',
    help: 'Directory of the embedded bus, shared by all processes that use it.',
  }),
})

export const busRetentionOptions = group('Bus', {
  'bus-retention-mbytes': integer({
    default: 1024,
    max: 16 * 1024 * 1024,
    unit: 'MiB',
    help: 'What the embedded bus keeps; then its oldest messages go.',
  }),
  'bus-retention-hours': number({ default: 24, min: 0.001, unit: 'hours', help: 'And how long it keeps them.' }),
})
