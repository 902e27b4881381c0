import type { HostPort, ListenAddress } from './address.js'

/** What texts an option takes, as plain data: `--help` reads it without loading the library that checks values. */
export type Kind =
  | { readonly type: 'text'; readonly placeholder: string; readonly pattern?: RegExp; readonly expects?: string }
  | { readonly type: 'number'; readonly whole: boolean; readonly min: number; readonly max: number }
  | { readonly type: 'flag' }
  | { readonly type: 'choice'; readonly values: readonly string[]; readonly synonyms: Readonly<Record<string, string>> }
  | { readonly type: 'list'; readonly of: Kind }
  | { readonly type: 'hostPort' }
  | { readonly type: 'broker' }
  | { readonly type: 'listenAddress'; readonly off: boolean }
  | { readonly type: 'path'; readonly placeholder: 'FILE' | 'DIR' }
  | { readonly type: 'url' }
  | { readonly type: 'pattern' }
  | { readonly type: 'fileMode' }
  | { readonly type: 'moment'; readonly words: readonly string[] }

declare const valueType: unique symbol

/**
 * One option, declared once: its flag is its key in the rows, its variable the key in upper case with `_` for `-`;
 * the config file's key, `--help` and the README's table come from here too.
 */
export interface Option<Value = unknown> {
  readonly kind: Kind
  readonly help: string
  /** Heading in `--help` and README. */
  readonly group: string
  /** As a user would write it; read like any given text. */
  readonly default?: string | readonly string[]
  /** What `--help` says in place of a default that is only known at run time. */
  readonly defaultText?: string
  readonly required?: true
  readonly unit?: string
  /** Other names of the variable, as the first releases had them. The option's own name is looked at first. */
  readonly variables?: readonly string[]
  /** Other spellings of the flag. */
  readonly aliases?: readonly string[]
  /** Never shown; also taken from a file, by `--<name>-file`. */
  readonly secret?: true
  /** Known, but not part of this version: neither shown nor accepted. */
  readonly notYet?: true
  /** Neither a variable nor a key of the config file: what one run is asked for, not what a machine is set to. */
  readonly flagOnly?: true
  /** A value given here stands for a value of another option: `--kafka=false` for `--bus=none`. */
  readonly shorthand?: Shorthand
  readonly [valueType]?: Value
}

export interface Shorthand {
  readonly option: string
  /** By this option's value as text (`false`): the other one's text. Values not listed say nothing about the other. */
  readonly values: Readonly<Record<string, string>>
}

export type OptionRows = Readonly<Record<string, Option>>

/** What a command gets: one property a row, named in camel case, with the row's exact type. */
export type Parsed<Rows extends OptionRows> = {
  readonly [Name in keyof Rows as CamelCase<Name & string>]: Rows[Name] extends Option<infer Value> ? Value : never
}

type CamelCase<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name

/** What a builder is told about a row; the group is added by `group`. */
interface Common {
  readonly help: string
  readonly defaultText?: string
  readonly required?: true
  readonly variables?: readonly string[]
  readonly aliases?: readonly string[]
  readonly secret?: true
  readonly notYet?: true
  readonly flagOnly?: true
  readonly shorthand?: Shorthand
}

/** A row that has a default or must be given always has a value. */
type Present<Spec, Value> = Spec extends { default: unknown } | { required: true } ? Value : Value | undefined

type Row<Value> = Omit<Option<Value>, 'group'>

/** Puts rows under one heading. */
export function group<Rows extends Readonly<Record<string, Row<unknown>>>>(
  heading: string,
  rows: Rows,
): { readonly [Name in keyof Rows]: Rows[Name] extends Row<infer Value> ? Option<Value> : never } {
  const named = Object.entries(rows).map(([name, row]) => [name, { ...row, group: heading }])
  return Object.fromEntries(named)
}

/** Any text; `pattern` and `expects` (`a name of letters and digits`) narrow it. */
export function text<
  const Spec extends Common & { default?: string; placeholder?: string; pattern?: RegExp; expects?: string },
>({ placeholder = 'TEXT', pattern, expects, ...spec }: Spec): Row<Present<Spec, string>> {
  const kind: Kind = {
    type: 'text',
    placeholder,
    ...(pattern && { pattern }),
    ...(expects !== undefined && { expects }),
  }
  return withKind(spec, kind)
}

// What is left of a generic type cannot be compared with a row, part by part; its parts are a row's all the same.
function withKind<Value>(spec: object, kind: Kind): Row<Value> {
  return { ...(spec as Common), kind }
}

type Numeric = Common & { default?: number; min?: number; max?: number; unit?: string }

/** A whole number, decimal. */
export function integer<const Spec extends Numeric>(spec: Spec): Row<Present<Spec, number>> {
  return numeric(spec, true, 1)
}

/** A number, decimals allowed. */
export function number<const Spec extends Numeric>(spec: Spec): Row<Present<Spec, number>> {
  return numeric(spec, false, 0)
}

/** A time in seconds, decimals allowed. */
export function seconds<const Spec extends Omit<Numeric, 'unit'>>(spec: Spec): Row<Present<Spec, number>> {
  return { ...numeric(spec, false, 0.001), unit: 'seconds' }
}

/** A time in whole milliseconds. */
export function milliseconds<const Spec extends Omit<Numeric, 'unit'>>(spec: Spec): Row<Present<Spec, number>> {
  return { ...numeric(spec, true, 1), unit: 'ms' }
}

function numeric<Value>({ min, max, ...spec }: Numeric, whole: boolean, usualMin: number): Row<Value> {
  const { default: preset, ...rest } = spec
  const kind: Kind = { type: 'number', whole, min: min ?? usualMin, max: max ?? 2 ** 31 - 1 }
  return { ...rest, kind, ...(preset !== undefined && { default: String(preset) }) }
}

/** A UDP or TCP port that somebody else chose. */
export function port<const Spec extends Common & { default?: number }>(spec: Spec): Row<Present<Spec, number>> {
  return numeric({ ...spec, max: 65535 }, true, 1)
}

/** On or off. */
export function flag({ default: preset, ...spec }: Common & { default: boolean }): Row<boolean> {
  return { ...spec, kind: { type: 'flag' }, default: String(preset) }
}

/** One of a few words, in any case. `synonyms` are words of the first releases. */
export function choice<
  const Values extends readonly string[],
  const Spec extends Common & { default?: Values[number]; synonyms?: Readonly<Record<string, Values[number]>> },
>(values: Values, spec: Spec): Row<Present<Spec, Values[number]>> {
  const { synonyms = {}, ...rest } = spec
  return withKind(rest, { type: 'choice', values, synonyms })
}

/** Texts separated by commas, or the flag given several times. */
export function list(spec: Common & { default?: readonly string[]; placeholder?: string }): Row<readonly string[]> {
  const { placeholder = 'TEXT', ...rest } = spec
  return { default: [], ...rest, kind: { type: 'list', of: { type: 'text', placeholder } } }
}

/** Like `list`, of words out of a few. */
export function choices<const Values extends readonly string[]>(
  values: Values,
  spec: Common & { default: readonly Values[number][] },
): Row<readonly Values[number][]> {
  return { ...spec, kind: { type: 'list', of: { type: 'choice', values, synonyms: {} } } }
}

/** `HOST:PORT`; an IPv6 address in brackets. */
export function hostPort<const Spec extends Common & { default?: string }>(spec: Spec): Row<Present<Spec, HostPort>> {
  return { ...spec, kind: { type: 'hostPort' } }
}

/** Several of `HOST:PORT`, separated by commas, or the flag given several times. */
export function hostPorts<const Spec extends Common & { default?: readonly string[] }>(
  spec: Spec,
): Row<Present<Spec, readonly HostPort[]>> {
  return withKind(spec, { type: 'list', of: { type: 'hostPort' } })
}

/** Addresses of Kafka brokers, kept as texts; separated by commas, or the flag given several times. */
export function brokers(spec: Common): Row<readonly string[]> {
  return { default: [], ...spec, kind: { type: 'list', of: { type: 'broker' } } }
}

/** `HOST:PORT` or `unix:PATH`. */
export function listenAddress<const Spec extends Common & { default?: string }>(
  spec: Spec,
): Row<Present<Spec, ListenAddress>> {
  return { ...spec, kind: { type: 'listenAddress', off: false } }
}

/** `HOST:PORT`, `unix:PATH` or `off`. */
export function listenAddressOrOff<const Spec extends Common & { default?: string }>(
  spec: Spec,
): Row<Present<Spec, ListenAddress | 'off'>> {
  return { ...spec, kind: { type: 'listenAddress', off: true } }
}

/** The path of a file; `~/` is the user's home. The part that opens it says what is wrong with it. */
export function file<const Spec extends Common & { default?: string }>(spec: Spec): Row<Present<Spec, string>> {
  return { ...spec, kind: { type: 'path', placeholder: 'FILE' } }
}

/** The path of a directory; `~/` is the user's home. */
export function directory<const Spec extends Common & { default?: string }>(spec: Spec): Row<Present<Spec, string>> {
  return { ...spec, kind: { type: 'path', placeholder: 'DIR' } }
}

/** An http or https address without user and password, and without a slash at its end. */
export function url<const Spec extends Common & { default?: string }>(spec: Spec): Row<Present<Spec, string>> {
  return { ...spec, kind: { type: 'url' } }
}

/** A regular expression that must match a whole name. */
export function pattern<const Spec extends Common & { default?: string }>(spec: Spec): Row<Present<Spec, RegExp>> {
  return { ...spec, kind: { type: 'pattern' } }
}

/** Permissions of a file in octal. */
export function fileMode<const Spec extends Common & { default?: string }>(spec: Spec): Row<Present<Spec, number>> {
  return { ...spec, kind: { type: 'fileMode' } }
}

/** A point in time (ISO 8601, or milliseconds since 1970), or one of `words`. */
export function moment<const Words extends readonly string[], const Spec extends Common & { default?: Words[number] }>(
  words: Words,
  spec: Spec,
): Row<Present<Spec, Words[number] | { readonly timeMs: number }>> {
  return { ...spec, kind: { type: 'moment', words } }
}

/** The variables of an option, the one that counts most first. */
export function variablesOf(name: string, row: Option): readonly string[] {
  if (row.flagOnly) return []
  const own = name.toUpperCase().replaceAll('-', '_')
  return [own, ...(row.variables ?? []).filter((variable) => variable !== own)]
}

/** `listen-port` is `listenPort` in code. */
export function camelCase(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}
