import type { ReadStream, WriteStream } from 'node:tty'
import type { LiveQuery, LiveState } from '../model/live.js'
import type { Parsed } from '../options/option.js'
import type { topOptions } from '../options/top.js'
import { formatAddress } from '../platform/hosts.js'
import type { AdminClientOptions } from '../telemetry/admin-client.js'
import { followLive } from '../telemetry/live-client.js'
import type { CommandContext } from './command.js'
import { renderTop, type TopView } from './top-screen.js'
import { runTopTerminal } from './top-terminal.js'

export type TopOptions = Parsed<typeof topOptions>

const usualRows = 20
/** Rates need some time between two looks. */
const statesBeforeOnce = 3

/** Shows a daemon's live figures: drawn on a terminal, printed elsewhere. */
export async function run(options: TopOptions, context: CommandContext): Promise<void> {
  const { stdout, stdoutIsTerminal, stdinIsTerminal, stdoutColour, signal } = context
  const client = clientOf(options)
  const { show, sort, search, limit = usualRows } = options
  const view: TopView = { show, sort, search, address: formatAddress(options.admin), colour: stdoutColour }
  if (stdoutIsTerminal && stdinIsTerminal && !options.once && !options.json) {
    const follow = (query: LiveQuery, ended: AbortSignal) => followLive(client, query, ended)
    const terminal = { stdin: process.stdin as ReadStream, stdout: stdout as WriteStream }
    return runTopTerminal({ ...terminal, follow, view, limit: options.limit, signal })
  }
  let seen = 0
  for await (const state of followLive(client, { sort, search, limit }, signal)) {
    seen++
    if (options.once && seen < statesBeforeOnce) continue
    stdout.write(options.json ? `${JSON.stringify(state)}\n` : text(state, view))
    if (options.once) return
  }
}

function text(state: LiveState, view: TopView): string {
  return `${renderTop(state, view).join('\n')}\n\n`
}

function clientOf({ admin, adminToken, adminTimeoutMs }: TopOptions): AdminClientOptions {
  return { address: admin, token: adminToken, timeoutMs: adminTimeoutMs }
}
