import type { Writable } from 'node:stream'
import type { EffectiveOption } from '../options/effective.js'
import type { Complaint } from '../options/mistake.js'
import type { OptionRows, Parsed } from '../options/option.js'
import { resolveOptions, type Sources } from '../options/resolve.js'

/** What a command gets from the process besides its options. */
export interface CommandContext {
  /** Aborted by the first SIGTERM or SIGINT, and when the reader of stdout has gone. Then drain and resolve. */
  readonly signal: AbortSignal
  /** Data. */
  readonly stdout: Writable
  /** Talk. */
  readonly stderr: Writable
  readonly stdoutIsTerminal: boolean
  readonly stderrIsTerminal: boolean
  /** Whether colour is wanted there: a terminal, and no NO_COLOR. */
  readonly stdoutColour: boolean
  readonly stderrColour: boolean
  /** Every option's effective value and where it came from, secrets masked. */
  readonly effective: readonly EffectiveOption[]
  /** What stood behind `--` on the command line. */
  readonly operands: readonly string[]
  readonly version: string
}

export type Run<Rows extends OptionRows> = (options: Parsed<Rows>, context: CommandContext) => Promise<void>

export interface Example {
  /** Behind `dcos-stats `. */
  readonly line: string
  readonly does: string
}

/** All that `--help` needs of a command. */
export interface CommandText<Rows extends OptionRows = OptionRows> {
  /** Its words: `emit statsd`. */
  readonly name: string
  readonly summary: string
  readonly description?: string
  readonly examples: readonly Example[]
  readonly options: Rows
}

/** A command as it is declared. `load` brings in its parts, so that `--help` does not have to. */
export interface Command<Rows extends OptionRows> extends CommandText<Rows> {
  /** Rules between options; each option is right by itself here. */
  readonly check?: (options: Parsed<Rows>, isGiven: (name: string) => boolean) => readonly Complaint[]
  /** Variables that begin so are the command's own: one that no option has is refused. */
  readonly variablePrefix?: string
  readonly load: () => Promise<{ readonly run: Run<Rows> }>
}

/** A command of any options, ready for the command line. */
export interface AnyCommand extends CommandText {
  /** Reads the options. Rejects with a StatsError that lists every mistake, exit code 2 or 78. */
  prepare(sources: Sources): Promise<Prepared>
}

export interface Prepared {
  readonly effective: readonly EffectiveOption[]
  run(context: CommandContext): Promise<void>
}

/** Ties a command's options to its `run`, type by type, and hides them from the list of all commands. */
export function defineCommand<Rows extends OptionRows>(command: Command<Rows>): AnyCommand {
  const { name, options, check, variablePrefix, load } = command
  return {
    ...command,
    async prepare(sources) {
      const resolved = await resolveOptions({ name, rows: options, check, variablePrefix }, sources)
      return {
        effective: resolved.effective,
        run: async (context) => (await load()).run(resolved.options, context),
      }
    },
  }
}
