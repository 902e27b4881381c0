import { messageOf } from '../platform/errors.js'
import { readConfigFile } from './config-file.js'
import type { EffectiveOption } from './effective.js'
import { expectation } from './expectation.js'
import { type Complaint, describeOrigin, type Mistake, type Origin } from './mistake.js'
import { camelCase, type Kind, type Option, type OptionRows, type Parsed } from './option.js'
import { refusal } from './refusal.js'
import {
  fromConfigFile,
  fromFlags,
  fromVariables,
  type Given,
  type Level,
  type Sources,
  secretFileName,
} from './sources.js'

export type { Sources } from './sources.js'

/** Whose options are read, and the rules for them. */
export interface Request<Rows extends OptionRows> {
  /** The command's words, for the message. */
  readonly name: string
  readonly rows: Rows
  /** Rules between options. `isGiven` tells whether anything but the default said something. */
  readonly check?: ((options: Parsed<Rows>, isGiven: (name: string) => boolean) => readonly Complaint[]) | undefined
  /** Variables that begin so must be an option's. */
  readonly variablePrefix?: string | undefined
}

export interface Resolved<Rows extends OptionRows> {
  readonly options: Parsed<Rows>
  /** Every option of this version, in the order of the rows, secrets masked. */
  readonly effective: readonly EffectiveOption[]
}

/** An option after reading: its value, or the default's where it was faulty. */
interface Outcome {
  readonly name: string
  readonly row: Option
  readonly value: unknown
  readonly given: Given | undefined
  readonly mistake: Mistake | undefined
}

type ReadOne = (kind: Kind, texts: readonly string[]) => { readonly value: unknown } | undefined

/**
 * Reads every option: flag before variable before config file before default.
 * Rejects with one StatsError `DS_OPTIONS` that lists all mistakes: exit code 2 where a flag is among them,
 * 78 where only variables and files are.
 */
export async function resolveOptions<Rows extends OptionRows>(
  request: Request<Rows>,
  sources: Sources,
): Promise<Resolved<Rows>> {
  const { rows } = request
  const levels = await readLevels(request, sources)
  const chosen = chooseAll(rows, levels, sources)
  const readOne = await createReader(sources.home)
  const outcomes = Object.entries(rows).map(([name, row]) => readOption(name, row, chosen.given.get(name), readOne))

  // Safe: readOption gives each row's value in the row's own type, or its default's.
  const options = Object.fromEntries(outcomes.map(({ name, value }) => [camelCase(name), value])) as Parsed<Rows>
  const mistakes = [
    ...levels.flatMap((level) => level.mistakes),
    ...chosen.mistakes,
    ...outcomes.flatMap(({ mistake }) => mistake ?? []),
  ]
  mistakes.push(...complaints(request, options, outcomes))
  if (mistakes.length > 0) throw refusal(request.name, mistakes)
  return { options, effective: outcomes.flatMap(describe) }
}

async function readLevels<Rows extends OptionRows>(
  { rows, variablePrefix }: Request<Rows>,
  sources: Sources,
): Promise<readonly Level[]> {
  const flags = fromFlags(rows, sources)
  const variables = fromVariables(rows, sources, variablePrefix)
  const file = (flags.given.get('config') ?? variables.given.get('config'))?.texts.at(-1)
  if (file === undefined || file === '') return [flags, variables]
  const path = file.replace(/^~(?=\/)/, sources.home)
  return [flags, variables, fromConfigFile(rows, file, await readConfigFile(path, sources.readFile))]
}

/** For each option the word that counts: the first level's that says something. */
function chooseAll(rows: OptionRows, levels: readonly Level[], sources: Sources): Level {
  const given = new Map<string, Given>()
  const mistakes: Mistake[] = []
  for (const [name, row] of Object.entries(rows)) {
    const level = levels.find(({ given }) => given.has(name) || (row.secret && given.has(secretFileName(name))))
    if (level === undefined) continue
    const word = row.secret ? secretOf(name, level, sources) : level.given.get(name)
    if (word === undefined) continue
    if ('text' in word) mistakes.push(word)
    else given.set(name, word)
  }
  return { given, mistakes: [...mistakes, ...applyShorthands(rows, given)] }
}

/** A secret, or what its file holds without the newline that editors put at the end. */
function secretOf(name: string, { given }: Level, { readFile, home }: Sources): Given | Mistake | undefined {
  const direct = given.get(name)
  const byFile = given.get(secretFileName(name))
  if (byFile === undefined) return direct
  const { origin } = byFile
  const flag = `--${secretFileName(name)}`
  if (direct) return { text: `--${name} and ${flag} exclude each other: give one of them.`, origin }
  const path = byFile.texts.at(-1) ?? ''
  if (path === '') return undefined
  try {
    const content = readFile(path.replace(/^~(?=\/)/, home))
    return { texts: [content.replace(/\r?\n$/, '')], origin }
  } catch (cause) {
    return { text: `${flag}: cannot read ${path} (${describeOrigin(origin)}): ${messageOf(cause)}.`, origin }
  }
}

/** `--kafka=false` says `--bus=none` where nobody names a bus; where somebody does, the two must agree. */
function applyShorthands(rows: OptionRows, given: Map<string, Given>): readonly Mistake[] {
  const mistakes: Mistake[] = []
  for (const [name, { shorthand, kind }] of Object.entries(rows)) {
    const word = given.get(name)
    const said = word?.texts.at(-1)
    if (shorthand === undefined || word === undefined || said === undefined) continue
    const meant = shorthand.values[kind.type === 'flag' ? canonicalFlag(said) : said.toLowerCase()]
    if (meant === undefined) continue
    const other = given.get(shorthand.option)
    if (other === undefined) given.set(shorthand.option, { texts: [meant], origin: word.origin })
    else if (other.texts.at(-1)?.toLowerCase() !== meant) {
      const text = `--${name}=${said} stands for --${shorthand.option}=${meant}, but ${describeOrigin(other.origin)} gives "${other.texts.at(-1)}". Leave one of them out.`
      mistakes.push({ text, origin: word.origin })
    }
  }
  return mistakes
}

function canonicalFlag(text: string): string {
  if (/^(true|t|yes|y|1)$/i.test(text)) return 'true'
  return /^(false|f|no|n|0)$/i.test(text) ? 'false' : text
}

async function createReader(home: string): Promise<ReadOne> {
  const { schemaOf } = await import('./schema.js')
  return (kind, texts) => {
    const raw = kind.type === 'list' ? texts.flatMap(splitList) : texts.at(-1)
    const { success, data } = schemaOf(kind, home).safeParse(raw)
    return success ? { value: data } : undefined
  }
}

function splitList(text: string): readonly string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

function readOption(name: string, row: Option, given: Given | undefined, readOne: ReadOne): Outcome {
  const preset = row.default === undefined ? undefined : readOne(row.kind, [row.default].flat())?.value
  const outcome: Outcome = { name, row, value: preset, given, mistake: undefined }
  if (row.notYet) return outcome
  if (given === undefined || meansUnset(row, given)) {
    return row.required ? { ...outcome, mistake: missing(name, row, given?.origin) } : outcome
  }
  const read = readOne(row.kind, given.texts)
  return read ? { ...outcome, value: read.value } : { ...outcome, mistake: unreadable(name, row, given) }
}

// `--auth-credential=` takes back what a variable says; where there is a default, the empty text is a value like others.
function meansUnset(row: Option, { texts }: Given): boolean {
  return row.default === undefined && texts.every((text) => text === '')
}

function missing(name: string, row: Option, origin: Origin = { from: 'default' }): Mistake {
  const variable = name.toUpperCase().replaceAll('-', '_')
  return { text: `--${name} (${variable}) is missing: expected ${expectation(row.kind)}.`, origin }
}

function unreadable(name: string, row: Option, { texts, origin }: Given): Mistake {
  const came = row.secret
    ? 'something else (not shown)'
    : texts.map((text) => `"${abridged(maskUserInfo(text))}"`).join(', ')
  const advice = origin.from === 'variable' ? 'Correct or unset it.' : 'Correct it.'
  const text = `--${name}: expected ${expectation(row.kind)}, got ${came} from ${describeOrigin(origin)}. ${advice}`
  return { text, origin }
}

function abridged(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}...` : text
}

/** The command's own rules. What concerns an option that is faulty by itself is not said twice. */
function complaints<Rows extends OptionRows>(
  { check }: Request<Rows>,
  options: Parsed<Rows>,
  outcomes: readonly Outcome[],
): readonly Mistake[] {
  if (check === undefined) return []
  const byName = new Map(outcomes.map((outcome) => [outcome.name, outcome]))
  const isGiven = (name: string) => byName.get(name)?.given !== undefined
  return check(options, isGiven)
    .filter(({ options }) => options.every((name) => byName.get(name)?.mistake === undefined))
    .map(({ options, text }) => ({ text, origin: blamed(options, byName) }))
}

/** The place to look at first: a flag, else a variable or file, else nowhere. */
function blamed(names: readonly string[], outcomes: ReadonlyMap<string, Outcome>): Origin {
  const origins = names.flatMap((name) => outcomes.get(name)?.given?.origin ?? [])
  return origins.find(({ from }) => from === 'flag') ?? origins[0] ?? { from: 'default' }
}

function describe({ name, row, given }: Outcome): readonly EffectiveOption[] {
  if (row.notYet) return []
  const unset = given === undefined || meansUnset(row, given)
  const text = unset ? row.default && [row.default].flat().join(',') : textOf(row, given)
  const value = text !== undefined && row.secret ? (text === '' ? '' : '******') : text
  return [{ name, value, origin: given?.origin ?? { from: 'default' } }]
}

function textOf(row: Option, { texts }: Given): string {
  if (row.kind.type === 'list') return texts.flatMap(splitList).join(',')
  return texts.at(-1) ?? ''
}

// No address may carry a user and a password, so one that does is refused, and the password not repeated.
function maskUserInfo(text: string): string {
  return text.replace(/\/\/.*@/s, '//******@')
}
