import { configShowOptions, validateOptions } from '../options/about.js'
import type { OptionRows, Parsed } from '../options/option.js'
import type { AnyCommand, CommandContext, CommandText, Subject, WorkingCommand } from './command.js'

/** A command about another one. It takes that one's options as they are, and some flags of its own. */
interface About<Own extends OptionRows> extends Omit<CommandText<Own>, 'examples'> {
  /** The flag of its own that the second example shows. */
  readonly flag: string
  /** What the two examples do. */
  readonly does: readonly [plain: string, withFlag: string]
  readonly load: () => Promise<{
    readonly run: (subject: Subject, own: Parsed<Own>, context: CommandContext) => Promise<void>
  }>
}

/** `validate collector`: reads the options of `collector` and starts nothing. */
export function validateCommand(subject: WorkingCommand): AnyCommand {
  return commandAbout(subject, {
    name: 'validate',
    summary: `Checks options, variables and config file of ${subject.name} without starting it.`,
    description:
      'Nothing is opened, only what is read: the config file and the files of secrets. --connect tries those whom the ' +
      'options name, and sends them nothing but the question whether they are there.',
    flag: '--connect',
    does: ['Is anything wrong with this?', 'And can they all be reached from here?'],
    exitCodes: { 0: 'no mistake, and with --connect all were reached', 69: 'some were not reached' },
    options: validateOptions,
    load: () => import('./validate.js'),
  })
}

/** `config show collector`: the options of `collector` as they hold, and where each comes from. */
export function configShowCommand(subject: WorkingCommand): AnyCommand {
  return commandAbout(subject, {
    name: 'config show',
    summary: `Shows every option of ${subject.name} as it holds, and where that was said.`,
    description: 'Secrets are not shown. An option that is wrong is told as the command itself would tell it.',
    flag: '--json',
    does: ['A line an option: its value, and the flag, variable or file it comes from', 'For a script'],
    options: configShowOptions,
    load: () => import('./config-show.js'),
  })
}

function commandAbout<Own extends OptionRows>(subject: WorkingCommand, about: About<Own>): AnyCommand {
  const { flag, does, load, options: own, ...text } = about
  const { name, options, examples } = subject
  // In front of the rest, since behind `--` it would be another program's.
  const rest = examples[0]?.line.slice(name.length) ?? ''
  return {
    ...text,
    name: `${text.name} ${name}`,
    examples: [
      { line: `${text.name} ${name}${rest}`, does: does[0] },
      { line: `${text.name} ${name} ${flag}${rest}`, does: does[1] },
    ],
    options: { ...own, ...options },
    async prepare(sources) {
      const { own: ownOptions, effective, peers } = await subject.examine(sources, own)
      const run = async (context: CommandContext) =>
        (await load()).run({ name, options, effective, peers }, ownOptions, context)
      return { effective, run }
    },
  }
}
