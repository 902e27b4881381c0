import { collectorOptions } from '../options/collector.js'
import { consumeOptions } from '../options/consume.js'
import type { OptionRows, Parsed } from '../options/option.js'
import { resolveOptions } from '../options/resolve.js'
import { statsdProxyOptions } from '../options/statsd-proxy.js'
import type { Daemon } from './daemon.js'

/** A part of the stack that is running. */
export interface Role {
  /** Rejects when it cannot go on; resolves after `stop`. */
  readonly ended: Promise<void>
  /** Lets it drain and end. */
  stop(): Promise<void>
}

/** Runs a role of its own life in the daemon of the whole stack. */
export function startRole(daemon: Daemon, work: (daemon: Daemon) => Promise<void>): Role {
  const stopping = new AbortController()
  const ended = work({ ...daemon, signal: stopping.signal })
  // Whoever waits for the stack learns of a failure by `ended` too; until then it must not count as unhandled.
  ended.catch(() => {})
  return {
    ended,
    stop() {
      stopping.abort()
      return ended
    },
  }
}

export const proxyOptionsFrom = (flags: Readonly<Record<string, string>>) => optionsFrom(statsdProxyOptions, flags)
export const collectorOptionsFrom = (flags: Readonly<Record<string, string>>) => optionsFrom(collectorOptions, flags)
export const consumeOptionsFrom = (flags: Readonly<Record<string, string>>) => optionsFrom(consumeOptions, flags)

/** A role's options as if these flags stood on its command line and nothing in its environment. */
async function optionsFrom<Rows extends OptionRows>(
  rows: Rows,
  flags: Readonly<Record<string, string>>,
): Promise<Parsed<Rows>> {
  const given = new Map(Object.entries(flags).map(([name, text]) => [name, [text]]))
  const nothing = { strays: [], environment: {}, home: '', readFile: () => '' }
  return (await resolveOptions({ name: 'local-stack', rows }, { flags: given, ...nothing })).options
}
