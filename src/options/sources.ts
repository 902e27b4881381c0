import type { ConfigFile } from './config-file.js'
import { expectation, placeholder } from './expectation.js'
import type { Mistake, Origin } from './mistake.js'
import { type Option, type OptionRows, variablesOf } from './option.js'
import { didYouMean } from './suggest.js'

/** What stood on the command line for one flag: a text, `true` without a value, `false` for `--no-<flag>`. */
export type FlagValue = string | boolean

/** All that options are read from. */
export interface Sources {
  /** By the flag's name without dashes, in the order given. */
  readonly flags: ReadonlyMap<string, readonly FlagValue[]>
  /** Words of the command line that belong to no flag. */
  readonly strays: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The directory that `~/` stands for. */
  readonly home: string
  /** Throws where there is no such file. */
  readonly readFile: (path: string) => string
}

/** What one source says of one option. */
export interface Given {
  readonly texts: readonly string[]
  readonly origin: Origin
}

/** One source's word on the options, by option name (a secret's file by `<name>-file`), and what is wrong with it. */
export interface Level {
  readonly given: ReadonlyMap<string, Given>
  readonly mistakes: readonly Mistake[]
}

/** Every name a source may use: rows that are not yet there are known, so that they can be refused by name. */
interface Slot {
  readonly name: string
  readonly row: Option
}

export function fromFlags(rows: OptionRows, { flags, strays }: Sources): Level {
  const slots = slotsByFlag(rows)
  const given = new Map<string, Given>()
  const mistakes: Mistake[] = strays.map((stray) => ({
    text: `"${stray}" belongs to no option. Options look like --name value.`,
    origin: { from: 'flag', flag: stray },
  }))
  for (const [typed, values] of flags) {
    const flag = `--${typed}`
    const origin: Origin = { from: 'flag', flag }
    const slot = slots.get(typed)
    if (slot === undefined) {
      mistakes.push({ text: `${flag} is unknown.${didYouMean(typed, offered(slots), '--')}`, origin })
    } else if (slot.row.notYet) {
      mistakes.push({ text: `${flag} is not available in this version.`, origin })
    } else {
      const texts = values.map((value) => textOf(value, slot.row))
      if (texts.includes(undefined)) mistakes.push({ text: valueWanted(flag, slot.row), origin })
      else add(given, slot.name, { texts: texts.filter((text) => text !== undefined), origin })
    }
  }
  return { given, mistakes }
}

export function fromVariables(rows: OptionRows, { environment }: Sources, prefix: string | undefined): Level {
  const given = new Map<string, Given>()
  const mistakes: Mistake[] = []
  const slots = slotsByVariable(rows)
  for (const [variable, { name, row }] of slots) {
    const text = environment[variable]
    // An empty variable counts as unset: unit files and Marathon apps cannot take one away otherwise.
    if (text === undefined || text === '' || given.has(name)) continue
    const origin: Origin = { from: 'variable', variable }
    if (row.notYet)
      mistakes.push({ text: `${variable}: --${name} is not available in this version. Unset it.`, origin })
    else given.set(name, { texts: [text], origin })
  }
  return { given, mistakes: [...mistakes, ...unknownVariables(environment, prefix, slots)] }
}

function unknownVariables(
  environment: Sources['environment'],
  prefix: string | undefined,
  slots: ReadonlyMap<string, Slot>,
): readonly Mistake[] {
  if (prefix === undefined) return []
  const unknown = Object.keys(environment).filter((name) => name.startsWith(prefix) && environment[name] !== '')
  return unknown
    .filter((variable) => !slots.has(variable))
    .map((variable) => {
      const meant = didYouMean(
        variable,
        [...offered(slots)].filter((name) => name.startsWith(prefix)),
      )
      return { text: `${variable} stands for nothing here.${meant} Unset it.`, origin: { from: 'variable', variable } }
    })
}

export function fromConfigFile(rows: OptionRows, file: string, config: ConfigFile): Level {
  const given = new Map<string, Given>()
  if ('fault' in config) {
    const origin: Origin = { from: 'file', file, key: '' }
    return { given, mistakes: [{ text: `The config file ${file} ${config.fault}.`, origin }] }
  }
  const mistakes: Mistake[] = []
  const slots = slotsByFlag(Object.fromEntries(Object.entries(rows).filter(([, row]) => !row.flagOnly)))
  const refuse = (key: string, text: string) => {
    mistakes.push({ text: `${file}: ${key} ${text}`, origin: { from: 'file', file, key } })
  }
  for (const key of config.unreadable) refuse(key, 'has a value that is neither a text, a number, nor a list of such.')
  for (const [key, texts] of config.values) {
    const slot = slots.get(key)
    if (slot === undefined) refuse(key, `is unknown.${didYouMean(key, offered(slots))}`)
    else if (slot.row.notYet) refuse(key, 'is not available in this version.')
    else if (slot.name === 'config') refuse(key, 'names another config file: give it by the flag --config.')
    else given.set(slot.name, { texts, origin: { from: 'file', file, key } })
  }
  return { given, mistakes }
}

/** The file's side of a secret: `output-password-file`. */
export function secretFileName(name: string): string {
  return `${name}-file`
}

function slotsByFlag(rows: OptionRows): ReadonlyMap<string, Slot> {
  return new Map(
    allSlots(rows).flatMap((slot) =>
      [slot.name, ...(slot.row.aliases ?? [])].map((spelling) => [spelling, slot] as const),
    ),
  )
}

function slotsByVariable(rows: OptionRows): ReadonlyMap<string, Slot> {
  return new Map(
    allSlots(rows).flatMap((slot) => variablesOf(slot.name, slot.row).map((name) => [name, slot] as const)),
  )
}

function allSlots(rows: OptionRows): readonly Slot[] {
  return Object.entries(rows).flatMap(([name, row]) => {
    if (!row.secret) return [{ name, row }]
    const { secret, variables, aliases, ...plain } = row
    const path: Option = { ...plain, kind: { type: 'path', placeholder: 'FILE' } }
    return [
      { name, row },
      { name: secretFileName(name), row: path },
    ]
  })
}

function offered(slots: ReadonlyMap<string, Slot>): Iterable<string> {
  return [...slots].filter(([, { row }]) => !row.notYet).map(([spelling]) => spelling)
}

// `--debug` alone switches on, `--no-debug` off; other options have no value then.
function textOf(value: FlagValue, row: Option): string | undefined {
  if (typeof value === 'string') return value
  return row.kind.type === 'flag' ? String(value) : undefined
}

function valueWanted(flag: string, row: Option): string {
  return `${flag} needs a value: expected ${expectation(row.kind)}. Write ${flag}=${placeholder(row.kind)}.`
}

// An option and its other spelling are one option: what both give counts in the order of their first use.
function add(given: Map<string, Given>, name: string, { texts, origin }: Given): void {
  given.set(name, { texts: [...(given.get(name)?.texts ?? []), ...texts], origin })
}
