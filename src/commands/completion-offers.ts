import type { Kind, Option, OptionRows } from '../options/option.js'
import { shownRows } from '../options/render.js'
import { secretFileName } from '../options/sources.js'
import { commandGroups, commands } from './index.js'

/** One word that may stand where the cursor is. */
export interface CompletionOffer {
  readonly word: string
  /** '' where the word says it all. */
  readonly does: string
}

const completionShells = ['bash', 'zsh', 'fish'].map((word) => ({ word, does: '' }))

/**
 * What may stand in place of the last of these words, the one that is being typed: commands, flags, and the values of flags
 * that take one of a few. Nothing where only the user knows: the shell then offers what it usually does, such as files.
 *
 * @param words behind `dcos-stats`, up to the cursor; the last may be ''
 */
export function completionOffers(words: readonly string[]): readonly CompletionOffer[] {
  // bash makes three words of --sink=stdout.
  const typed = words.slice(0, -1).filter((word) => word !== '=')
  const current = words.at(-1) === '=' ? '' : (words.at(-1) ?? '')
  if (typed.includes('--')) return []
  const firstFlag = typed.findIndex((word) => word.startsWith('-'))
  const path = (firstFlag === -1 ? typed : typed.slice(0, firstFlag)).join(' ')
  return offersAt(path, typed, current).filter(({ word }) => word.startsWith(current))
}

function offersAt(path: string, typed: readonly string[], current: string): readonly CompletionOffer[] {
  if (path === 'completion') return completionShells
  const rows = rowsAt(path)
  const [flag, begun] = current.startsWith('--') ? current.split('=', 2) : []
  if (flag !== undefined && begun !== undefined) {
    return valuesOf(rows, flag).map((value) => ({ word: `${flag}=${value}`, does: '' }))
  }
  const last = typed.at(-1) ?? ''
  if (needsValue(rows, last)) return valuesOf(rows, last).map((word) => ({ word, does: '' }))
  const words = last.startsWith('-') ? [] : wordsBelow(path)
  if (words.length > 0 && !current.startsWith('-')) return words
  return path === '' ? [...flagsOf(rows), { word: '--version', does: 'Show version number' }] : flagsOf(rows)
}

/** A group alone stands for its usual command. */
function rowsAt(path: string): OptionRows {
  const name = commandGroups[path]?.usual ?? path
  return commands.find((command) => command.name === name)?.options ?? {}
}

function rowOf(rows: OptionRows, flag: string): Option | undefined {
  return Object.entries(rows).find(
    ([name, row]) => `--${name}` === flag || row.aliases?.some((alias) => `--${alias}` === flag),
  )?.[1]
}

function needsValue(rows: OptionRows, flag: string): boolean {
  const row = rowOf(rows, flag)
  if (row === undefined)
    return Object.entries(rows).some(([name, { secret }]) => secret && `--${secretFileName(name)}` === flag)
  return row.kind.type !== 'flag'
}

function valuesOf(rows: OptionRows, flag: string): readonly string[] {
  const row = rowOf(rows, flag)
  return row === undefined ? [] : choicesOf(row.kind)
}

function choicesOf(kind: Kind): readonly string[] {
  switch (kind.type) {
    case 'choice':
      return kind.values
    case 'moment':
      return kind.words
    case 'list':
      return choicesOf(kind.of)
    case 'flag':
      return ['true', 'false']
    default:
      return []
  }
}

function flagsOf(rows: OptionRows): readonly CompletionOffer[] {
  const own = shownRows(rows).flatMap(([name, { help, secret }]) => [
    { word: `--${name}`, does: help },
    ...(secret ? [{ word: `--${secretFileName(name)}`, does: help }] : []),
  ])
  return [...own, { word: '--help', does: 'Show help' }]
}

/** What may follow the words of `path`, each once, with what it does. */
function wordsBelow(path: string): readonly CompletionOffer[] {
  const prefix = path === '' ? '' : `${path} `
  const offers = new Map<string, CompletionOffer>()
  for (const { name, summary } of commands.filter(({ name }) => name.startsWith(prefix))) {
    const [word = '', ...more] = name.slice(prefix.length).split(' ')
    // Those come first that do something by themselves: `statsd-proxy` has said what it does before `statsd-proxy exec`.
    if (offers.has(word)) continue
    offers.set(word, { word, does: more.length === 0 ? summary : (commandGroups[`${prefix}${word}`]?.summary ?? '') })
  }
  if (path === '') offers.set('completion', { word: 'completion', does: 'Prints a script for shell completion.' })
  return [...offers.values()]
}
