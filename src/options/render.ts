import { placeholder } from './expectation.js'
import { type Option, type OptionRows, variablesOf } from './option.js'
import { secretFileName } from './sources.js'

/** What yargs is told of an option: enough for `--help` and completion; values are read by `resolve`. */
export interface RenderedOption {
  readonly describe: string
  readonly group: string
  readonly defaultDescription?: string
}

/** The rows of this version as `--help` shows them, in their order. */
export function renderOptions(rows: OptionRows): Readonly<Record<string, RenderedOption>> {
  const rendered = shownRows(rows).map(([name, row]) => [name, renderOption(name, row)])
  return Object.fromEntries(rendered)
}

function renderOption(name: string, row: Option): RenderedOption {
  const shown = defaultOf(row)
  return {
    describe: `${row.help} [${[valueText(row), ...(row.required ? ['required'] : []), ...otherWays(name, row)].join(', ')}]`,
    group: `${row.group}:`,
    ...(shown !== undefined && { defaultDescription: shown }),
  }
}

/** Markdown tables of a command's options, one for each group, under the group's heading. */
export function renderMarkdown(rows: OptionRows): string {
  const shown = shownRows(rows)
  const groups = [...new Set(shown.map(([, row]) => row.group))]
  return groups
    .map((heading) =>
      renderGroup(
        heading,
        shown.filter(([, row]) => row.group === heading),
      ),
    )
    .join('\n\n')
}

function renderGroup(heading: string, rows: readonly (readonly [string, Option])[]): string {
  const head = ['| Option | Value | Default | Variable | Meaning |', '| --- | --- | --- | --- | --- |']
  return [`**${heading}**`, '', ...head, ...rows.map(([name, row]) => renderRow(name, row))].join('\n')
}

function renderRow(name: string, row: Option): string {
  const preset = row.defaultText ?? quoted(defaultOf(row))
  const flags = [name, ...(row.aliases ?? []), ...(row.secret ? [secretFileName(name)] : [])].map(
    (flag) => `\`--${flag}\``,
  )
  const variables = variablesOf(name, row).map(quoted)
  const cells = [flags.join(', '), valueText(row), row.required ? 'required' : preset, variables.join(', '), row.help]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function quoted(text: string | undefined): string {
  return text === undefined ? '' : `\`${text}\``
}

/** A Markdown table from the variables of the first consumers to what they set here. */
export function renderVariables(rows: OptionRows, prefix: string): string {
  const lines = shownRows(rows).flatMap(([name, row]) =>
    (row.variables ?? [])
      .filter((variable) => variable.startsWith(prefix))
      .map((variable) => `| \`${variable}\` | \`${propertyOf(variable, prefix)}\` | \`--${name}\` |`),
  )
  return ['| Variable | Property of the Java client | Option |', '| --- | --- | --- |', ...lines.sort()].join('\n')
}

function propertyOf(variable: string, prefix: string): string {
  return variable.slice(prefix.length).toLowerCase().replaceAll('_', '.')
}

export function shownRows(rows: OptionRows): readonly (readonly [string, Option])[] {
  return Object.entries(rows).filter(([, row]) => !row.notYet)
}

function valueText({ kind, unit }: Option): string {
  const value = placeholder(kind) ?? 'true|false'
  return unit === undefined ? value : `${value} ${unit}`
}

function defaultOf(row: Option): string | undefined {
  if (row.defaultText !== undefined) return row.defaultText
  const text = row.default === undefined ? '' : [row.default].flat().join(',')
  return text === '' ? undefined : text
}

// Variables are written as a shell reads them, which tells them from flags.
function otherWays(name: string, row: Option): readonly string[] {
  const flags = [...(row.secret ? [secretFileName(name)] : []), ...(row.aliases ?? [])]
  return [...flags.map((flag) => `--${flag}`), ...variablesOf(name, row).map((variable) => `$${variable}`)]
}
