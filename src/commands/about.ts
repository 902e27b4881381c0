import { configShowOptions, validateOptions } from '../options/about.js'
import type { OptionRows, Parsed } from '../options/option.js'
import type { AnyCommand, CommandContext, CommandText, Example, Subject, WorkingCommand } from './command.js'

/** A command about another one. It takes that one's options as they are, and some flags of its own. */
interface About<Own extends OptionRows> extends Omit<CommandText<Own>, 'examples'> {
  readonly examplesOf: (example: Example) => readonly Example[]
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
    examplesOf: ({ line }) => [
      { line, does: 'Is anything wrong with this?' },
      { line: `${line} --connect`, does: 'And can they all be reached from here?' },
    ],
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
    examplesOf: ({ line }) => [
      { line, does: 'A line an option: its value, and the flag, variable or file it comes from' },
      { line: `${line} --json`, does: 'For a script' },
    ],
    options: configShowOptions,
    load: () => import('./config-show.js'),
  })
}

function commandAbout<Own extends OptionRows>(subject: WorkingCommand, about: About<Own>): AnyCommand {
  const { examplesOf, load, options: own, ...text } = about
  const { name, options } = subject
  const [example] = subject.examples
  const prefixed = (example: Example) => ({ ...example, line: `${text.name} ${example.line}` })
  return {
    ...text,
    name: `${text.name} ${name}`,
    examples: example === undefined ? [] : examplesOf(example).map(prefixed),
    options: { ...own, ...options },
    async prepare(sources) {
      const { own: ownOptions, effective, peers } = await subject.examine(sources, own)
      const run = async (context: CommandContext) =>
        (await load()).run({ name, options, effective, peers }, ownOptions, context)
      return { effective, run }
    },
  }
}
