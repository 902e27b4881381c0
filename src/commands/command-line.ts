import yargs, { type Argv } from 'yargs'
import type { OptionRows } from '../options/option.js'
import { renderOptions } from '../options/render.js'
import type { FlagValue } from '../options/sources.js'
import { didYouMean } from '../options/suggest.js'
import type { AnyCommand, CommandText } from './command.js'
import { completionHelp, completionScript, shellOf, shells } from './completion.js'
import { completionOffers } from './completion-offers.js'
import { commandGroups, commands } from './index.js'

/** What a command line asks for. */
export type Invocation =
  /** Something to read: help, the version, a completion script. */
  | { readonly asks: 'text'; readonly text: string }
  /** No command, or none that is known. */
  | { readonly asks: 'misuse'; readonly text: string }
  | {
      readonly asks: 'command'
      readonly command: AnyCommand
      readonly flags: ReadonlyMap<string, readonly FlagValue[]>
      readonly strays: readonly string[]
      /** What stood behind `--`. */
      readonly operands: readonly string[]
    }

interface Looks {
  readonly version: string
  /** Width of help in characters. */
  readonly columns: number
  /** The path of the user's shell, whose completion is meant where none is named. */
  readonly shell?: string | undefined
}

/** What yargs does when it comes upon a command. */
interface Handling {
  describe(builder: Argv, command: CommandText): Argv
  choose(command: AnyCommand, words: Words): void
}

type Words = Readonly<Record<string, unknown>> & { readonly _: readonly (string | number)[] }

const exitCodes = {
  0: 'done, or stopped by SIGTERM or SIGINT and drained',
  1: 'failure',
  2: 'wrong usage: the command line',
  69: 'a needed service refused, or is away for good',
  78: 'wrong configuration: variables or the config file',
  '128+n': 'ended at once by a second signal n',
}

/**
 * Reads a command line, without the program's own two words in front.
 * yargs finds the command and renders help; flags come out as they were written, and
 * `resolve` says what is wrong with them, all at once.
 */
export function readCommandLine(args: readonly string[], looks: Looks): Invocation {
  if (args[0] === 'completion') return completion(args.slice(1), looks.shell)
  let chosen: { readonly command: AnyCommand; readonly words: Words } | undefined
  let output = ''
  const program = createProgram(looks, {
    // Rows have no types for yargs, so it reads flags the same without them; and it would lay out the help of a
    // command each time that one starts, which takes it longer than all the rest.
    describe: asksForText(args) ? describeCommand : (builder) => builder,
    choose: (command, words) => {
      chosen = { command, words }
    },
  })
  const words = program.parse([...args], {}, (_error, _argv, text) => {
    output = text
  }) as Words

  if (output !== '') return { asks: 'text', text: output }
  if (chosen) return invocation(chosen.command, chosen.words)
  return { asks: 'misuse', text: misuse(words._.map(String), looks) }
}

function completion(args: readonly string[], userShell: string | undefined): Invocation {
  // What the scripts ask at each press of the tab key.
  if (args[0] === 'offers') return { asks: 'text', text: offersText(args.slice(1)) }
  if (asksForText(args)) return { asks: 'text', text: `${completionHelp}\n\n${exitCodesText()}` }
  const [named] = args
  const shell = named === undefined ? shellOf(userShell) : shells.find((shell) => shell === named)
  if (shell !== undefined) return { asks: 'text', text: completionScript(shell) }
  return { asks: 'misuse', text: `dcos-stats: no completion for "${named}". There is one for ${shells.join(', ')}.` }
}

function offersText(words: readonly string[]): string {
  return completionOffers(words)
    .map(({ word, does }) => (does === '' ? word : `${word}\t${does}`))
    .join('\n')
}

function asksForText(args: readonly string[]): boolean {
  return args.some((arg) => /^--?(h|help)\b/.test(arg))
}

function createProgram(looks: Looks, handling: Handling): Argv {
  const program = yargs()
    .scriptName('dcos-stats')
    .usage(
      '$0 <command> [options]\n\nMetrics from containers and Mesos agents to Kafka, stdout, InfluxDB and Graphite.',
    )
    .parserConfiguration({
      'boolean-negation': true,
      'camel-case-expansion': false,
      'dot-notation': false,
      'duplicate-arguments-array': true,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'populate--': true,
      // The first collector took Go's flags: -name is --name.
      'short-option-groups': false,
    })
    .locale('en')
    .wrap(looks.columns)
    .exitProcess(false)
    .help()
    .alias('help', 'h')
    .version(looks.version)
    .epilogue(`'dcos-stats <command> --help' shows a command's options.\n\n${exitCodesText()}`)
  return addBranch(program, '', handling).command(
    'completion',
    'Prints a script for shell completion: completion bash, zsh or fish; unless named, that of $SHELL.',
  )
}

function addCommand(program: Argv, command: AnyCommand, words: string | string[], handling: Handling): void {
  program.command(
    words,
    command.summary,
    (builder) => addBranch(handling.describe(builder, command), command.name, handling),
    (words) => handling.choose(command, words as Words),
  )
}

/** Adds what may stand behind the words of `path`: commands, and groups of commands. */
function addBranch(program: Argv, path: string, handling: Handling): Argv {
  for (const word of wordsBelow(path)) {
    const name = joined(path, word)
    const command = commands.find((command) => command.name === name)
    if (command) addCommand(program, command, commandGroups[path]?.usual === name ? [word, '$0'] : word, handling)
    else program.command(word, commandGroups[name]?.summary ?? '', (builder) => addGroup(builder, name, handling))
  }
  return program
}

function addGroup(program: Argv, path: string, handling: Handling): Argv {
  // With a usual command the group's help is that command's.
  if (commandGroups[path]?.usual !== undefined) return addBranch(program, path, handling)
  return addBranch(program, path, handling)
    .usage(`$0 ${path} <command> [options]\n\n${commandGroups[path]?.summary ?? ''}`)
    .epilogue(`'dcos-stats ${path} <command> --help' shows a command's options.`)
}

function wordsBelow(path: string): ReadonlySet<string> {
  const below = commands.map(({ name }) => name).filter((name) => name.startsWith(joined(path, '')))
  return new Set(below.map((name) => name.slice(joined(path, '').length).split(' ')[0]!))
}

function joined(path: string, word: string): string {
  return path === '' ? word : `${path} ${word}`
}

/** Not those of a command whose words go on behind this one's. */
function ofThisCommand(options: OptionRows) {
  const rendered = Object.entries(renderOptions(options))
  return Object.fromEntries(rendered.map(([name, option]) => [name, { ...option, global: false }]))
}

function describeCommand(builder: Argv, command: CommandText): Argv {
  const { name, summary, description, examples, options } = command
  const intro = [`$0 ${name} [options]`, summary, ...(description === undefined ? [] : [description])]
  const described = builder
    // Forgets the group's usage where a group's usual command is described.
    .usage(null as unknown as string)
    .usage(intro.join('\n\n'))
    .options(ofThisCommand(options))
    .group(['help', 'version'], 'Common:')
    .epilogue(`${waysText(command)}\n\n${exitCodesText(command)}`)
  for (const { line, does } of examples) described.example(`$0 ${line}`, does)
  return described
}

function waysText({ options }: CommandText): string {
  const ways = [
    'Each option is also a variable, named behind $, and a key of the --config file.',
    'A flag counts before a variable, a variable before the file.',
  ]
  const someFlagOnly = Object.values(options).some(({ flagOnly }) => flagOnly)
  return [...ways, ...(someFlagOnly ? ['Options without a $ are flags alone.'] : [])].join('\n')
}

function exitCodesText(command?: CommandText): string {
  const lines = Object.entries({ ...exitCodes, ...command?.exitCodes }).map(
    ([code, meaning]) => `  ${code.padEnd(5)}  ${meaning}`,
  )
  return ['Exit codes:', ...lines].join('\n')
}

function invocation(command: AnyCommand, words: Words): Invocation {
  const { _, $0, '--': operands = [], help, h, version, ...flags } = words
  const typed = _.map(String)
  const named = command.name.split(' ')
  const missed = named.findIndex((word, index) => typed[index] !== word)
  const strays = typed.slice(missed === -1 ? named.length : missed)
  // For `emit avr` yargs takes the group's usual command; the word was meant for another one.
  if (missed !== -1 && strays[0] !== undefined) {
    return { asks: 'misuse', text: noCommand([...named.slice(0, missed), strays[0]].join(' ')) }
  }
  return {
    asks: 'command',
    command,
    flags: new Map(Object.entries(flags).map(([name, value]) => [name, [value].flat() as FlagValue[]])),
    strays,
    operands: (operands as readonly unknown[]).map(String),
  }
}

/** What was typed leads to no command: the first word that is wrong, or what could follow. */
function misuse(typed: readonly string[], looks: Looks): string {
  let path = ''
  for (const word of typed) {
    if (!wordsBelow(path).has(word)) return noCommand(joined(path, word))
    path = joined(path, word)
  }
  const help = readCommandLine([...path.split(' ').filter(Boolean), '--help'], looks)
  return 'text' in help ? help.text : ''
}

function noCommand(typed: string): string {
  const known = [...commands.map(({ name }) => name), ...Object.keys(commandGroups), 'completion']
  return `dcos-stats: "${typed}" is no command.${didYouMean(typed, known)} See 'dcos-stats --help'.`
}
