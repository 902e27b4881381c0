import type { validateOptions } from '../options/about.js'
import type { Parsed } from '../options/option.js'
import { ExitCode, StatsError } from '../platform/errors.js'
import { renderColumns } from '../telemetry/columns.js'
import type { CommandContext, Subject } from './command.js'

/**
 * Says that the options of a command are right (that they were read is enough) and, with --connect, who can be reached.
 *
 * @throws StatsError `DS_UNREACHABLE` (exit 69) where somebody cannot
 */
export async function run(
  { name, effective, peers }: Subject,
  { connect, connectTimeoutMs }: Parsed<typeof validateOptions>,
  { stdout, signal, version }: Pick<CommandContext, 'stdout' | 'signal' | 'version'>,
): Promise<void> {
  const given = effective.filter(({ origin }) => origin.from !== 'default').length
  stdout.write(`The options of ${name} are right: ${given} given, ${effective.length - given} by default.\n`)
  if (!connect) return
  if (peers.length === 0) {
    stdout.write('They name nobody to connect to.\n')
    return
  }
  const { tryPeer } = await import('./connect.js')
  const trials = await Promise.all(peers.map((peer) => tryPeer(peer, { timeoutMs: connectTimeoutMs, signal, version })))
  const lines = trials
    .flat()
    .map(({ role, address, fault, said, option }) => [
      fault ? 'FAIL' : 'ok',
      `${role} ${address}`,
      `${said} (--${option})`,
    ])
  stdout.write(renderColumns(lines))
  const faults = trials.flat().filter(({ fault }) => fault).length
  if (faults === 0) return
  throw new StatsError('DS_UNREACHABLE', `${faults} of ${lines.length} cannot be reached.`, {
    exitCode: ExitCode.unavailable,
  })
}
