import type { Writable } from 'node:stream'
import type { EffectiveOption } from '../options/effective.js'
import type { Complaint } from '../options/mistake.js'
import type { OptionRows, Parsed } from '../options/option.js'
import { resolveOptions, type Sources } from '../options/resolve.js'
import type { ParentChannel } from '../platform/inheritance.js'
import type { Peer } from './peers.js'

/** What a command gets from the process besides its options. */
export interface CommandContext {
  /** Aborted by the first SIGTERM or SIGINT, and when the reader of stdout has gone. Then drain and resolve. */
  readonly signal: AbortSignal
  /** Data. */
  readonly stdout: Writable
  /** Talk. */
  readonly stderr: Writable
  readonly stdinIsTerminal: boolean
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
  /** This program as it was started, for whoever starts it again or starts another one. */
  readonly program: Program
  /** Set where this process was started by `program` to take over from one that is running. */
  readonly predecessor: ParentChannel | undefined
  /** From now on these signals do what `handle` does, and nothing else; the returned function ends that. */
  takeSignals(names: readonly NodeJS.Signals[], handle: (name: NodeJS.Signals) => void): () => void
}

export interface Program {
  /** Of Node. */
  readonly path: string
  /** Node's own, the path of this program, and its own. */
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Variables that make the program, started with them, take over through its IPC channel. */
  readonly takesOver: Readonly<Record<string, string>>
}

/** What the process exits with, where it is not 0 for success. */
export type Outcome = Promise<void> | Promise<number>

export type Run<Rows extends OptionRows> = (options: Parsed<Rows>, context: CommandContext) => Outcome

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
  /** What an exit code means here, where that is more than `--help` says of every command. */
  readonly exitCodes?: Readonly<Record<string, string>>
}

/** A command as it is declared. `load` brings in its parts, so that `--help` does not have to. */
export interface Command<Rows extends OptionRows> extends CommandText<Rows> {
  /** Rules between options; each option is right by itself here. */
  readonly check?: (options: Parsed<Rows>, isGiven: (name: string) => boolean) => readonly Complaint[]
  /** Variables that begin so are the command's own: one that no option has is refused. */
  readonly variablePrefix?: string
  /** Whom it will talk to. */
  readonly peers?: (options: Parsed<Rows>) => readonly Peer[]
  readonly load: () => Promise<{ readonly run: Run<Rows> }>
}

/** A command of any options, ready for the command line. */
export interface AnyCommand extends CommandText {
  /** Reads the options. Rejects with a StatsError that lists every mistake, exit code 2 or 78. */
  prepare(sources: Sources): Promise<Prepared>
}

export interface Prepared {
  readonly effective: readonly EffectiveOption[]
  /** Resolves with what the process exits with, where that is a number. */
  run(context: CommandContext): Promise<unknown>
}

/** A command that does something by itself, so that others (`validate`, `config show`) can be about it. */
export interface WorkingCommand extends AnyCommand {
  /** Reads the options together with those of a command about this one: all mistakes are told at once. */
  examine<Own extends OptionRows>(sources: Sources, own: Own): Promise<Examined<Own>>
}

export interface Examined<Own extends OptionRows> {
  readonly own: Parsed<Own>
  /** Of the examined command alone. */
  readonly effective: readonly EffectiveOption[]
  readonly peers: readonly Peer[]
}

/** What a command about another one gets to know of it. */
export interface Subject extends Omit<Examined<OptionRows>, 'own'> {
  readonly name: string
  readonly options: OptionRows
}

/** Ties a command's options to its `run`, type by type, and hides them from the list of all commands. */
export function defineCommand<Rows extends OptionRows>(command: Command<Rows>): WorkingCommand {
  const { name, options: rows, check, variablePrefix, peers, load } = command
  return {
    ...command,
    async prepare(sources) {
      const resolved = await resolveOptions({ name, rows, check, variablePrefix }, sources)
      return {
        effective: resolved.effective,
        run: async (context) => (await load()).run(resolved.options, context),
      }
    },
    async examine<Own extends OptionRows>(sources: Sources, own: Own) {
      const resolved = await resolveOptions({ name, rows: { ...own, ...rows }, check, variablePrefix }, sources)
      // Both kinds of rows were read, so both have their values; a spread of two generic types does not show it.
      const options = resolved.options as Parsed<Rows> & Parsed<Own>
      return {
        own: options,
        effective: resolved.effective.filter((option) => option.name in rows),
        peers: peers?.(options) ?? [],
      }
    },
  }
}
