import { configShowOptions, validateOptions } from '../options/about.js'
import type { Kind, Option, OptionRows } from '../options/option.js'
import { shownRows } from '../options/render.js'
import type { CommandText } from './command.js'

interface Offer {
  /** All commands that can be typed. */
  readonly commands: readonly CommandText[]
  /** Those whose options are offered; `validate` and `config show` take them, too. */
  readonly workingCommands: readonly CommandText[]
  /** What is said of words that stand in front of commands. */
  readonly groups: Readonly<Record<string, { readonly summary: string; readonly usual?: string }>>
}

/**
 * A script for the shell fish: commands, flags with what they do, and their values where there are few. Unlike the
 * scripts that ask the program at every press of the tab key, it needs no program to run.
 */
export function fishCompletion(offer: Offer): string {
  return [
    head,
    ...wordLines(offer),
    ...offer.workingCommands.flatMap(({ name, options }) => optionLines(conditionOf(name, offer), options)),
    ...optionLines('__dcos_stats_behind validate', validateOptions),
    ...optionLines('__dcos_stats_behind config show', configShowOptions),
    '',
  ].join('\n')
}

const head = `# dcos-stats: completion for fish. To be kept in ~/.config/fish/completions/dcos-stats.fish

function __dcos_stats_words --description 'The words typed so far, without the one being typed'
    set -l words (commandline -opc)
    string join -- \\n $words[2..]
end

function __dcos_stats_at --description 'Whether just these words were typed'
    set -l words (__dcos_stats_words)
    test "$words" = "$argv"
end

function __dcos_stats_behind --description 'Whether these words were typed first'
    set -l words (__dcos_stats_words)
    set -l count (count $argv)
    test (count $words) -ge $count; and test "$words[1..$count]" = "$argv"
end

function __dcos_stats_in --description 'Whether this command was typed, by itself or behind validate or config show'
    __dcos_stats_behind $argv
    or __dcos_stats_behind validate $argv
    or __dcos_stats_behind config show $argv
end

complete -c dcos-stats -f
complete -c dcos-stats -s h -l help -d 'Show help'
complete -c dcos-stats -n __dcos_stats_at -l version -d 'Show version number'`

/** A command's flags are not those of a command that begins with its words; a group alone stands for its usual command. */
function conditionOf(name: string, { workingCommands, groups }: Offer): string {
  const typed = Object.keys(groups).find((group) => groups[group]?.usual === name) ?? name
  const others = workingCommands.filter((command) => command.name !== name && command.name.startsWith(`${typed} `))
  return [`__dcos_stats_in ${typed}`, ...others.map((command) => `not __dcos_stats_in ${command.name}`)].join('; and ')
}

/** For each word that may come next, where it may come. */
function wordLines({ commands, groups }: Offer): readonly string[] {
  const summaries = new Map<string, string>([['completion', 'Prints a script for shell completion.']])
  for (const { name, summary } of commands) {
    const words = name.split(' ')
    for (let count = 1; count < words.length; count++) {
      const group = words.slice(0, count).join(' ')
      // It may be a command by itself, which has said what it does.
      if (!summaries.has(group)) summaries.set(group, groups[group]?.summary ?? '')
    }
    summaries.set(name, summary)
  }
  for (const shell of ['bash', 'zsh', 'fish']) summaries.set(`completion ${shell}`, '')
  return [...summaries].map(([name, summary]) => {
    const words = name.split(' ')
    const before = ['__dcos_stats_at', ...words.slice(0, -1)].join(' ')
    return `complete -c dcos-stats -n ${quoted(before)} -a ${words.at(-1)}${described(summary)}`
  })
}

function optionLines(condition: string, options: OptionRows): readonly string[] {
  return shownRows(options).flatMap(([name, row]) => [
    optionLine(condition, name, row.kind, row.help),
    ...(row.secret ? [optionLine(condition, `${name}-file`, secretFile, row.help)] : []),
  ])
}

const secretFile: Option['kind'] = { type: 'path', placeholder: 'FILE' }

function optionLine(condition: string, name: string, kind: Kind, help: string): string {
  return `complete -c dcos-stats -n ${quoted(condition)} -l ${name}${valueFlags(kind)}${described(help)}`
}

/** `-x`: a value must follow, and it is no file. `-rF`: a file must. */
function valueFlags(kind: Kind): string {
  switch (kind.type) {
    case 'flag':
      return ''
    case 'choice':
      return ` -x -a ${quoted(kind.values.join(' '))}`
    case 'list':
      return kind.of.type === 'choice' ? valueFlags(kind.of) : ' -x'
    case 'moment':
      return ` -x -a ${quoted(kind.words.join(' '))}`
    case 'path':
      return kind.placeholder === 'FILE' ? ' -rF' : ` -x -a ${quoted('(__fish_complete_directories)')}`
    default:
      return ' -x'
  }
}

function described(text: string): string {
  return text === '' ? '' : ` -d ${quoted(text)}`
}

/** As one word for fish: between single quotes only these two characters mean something. */
function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, '\\$&')}'`
}
