import type { configShowOptions } from '../options/about.js'
import type { EffectiveOption } from '../options/effective.js'
import { describeOrigin } from '../options/mistake.js'
import type { Option, OptionRows, Parsed } from '../options/option.js'
import { renderColumns } from '../telemetry/columns.js'
import type { CommandContext, Subject } from './command.js'

/** Every option of a command: its value, and where that was said. */
export async function run(
  { effective, options }: Subject,
  { json }: Parsed<typeof configShowOptions>,
  { stdout }: Pick<CommandContext, 'stdout'>,
): Promise<void> {
  stdout.write(json ? asJson(effective) : asTable(effective, options))
}

function asJson(effective: readonly EffectiveOption[]): string {
  const items = effective.map(({ name, value = null, origin }) => ({ name, value, ...origin }))
  return `${JSON.stringify(items, null, 2)}\n`
}

function asTable(effective: readonly EffectiveOption[], rows: OptionRows): string {
  const lines = effective.map(({ name, value, origin }) => [name, shown(value, rows[name]), describeOrigin(origin)])
  return renderColumns([['option', 'value', 'from'], ...lines])
}

/** What stands for no value stands in brackets; an empty text and one with blanks at its ends would not be seen. */
function shown(value: string | undefined, row: Option | undefined): string {
  const isNone = value === undefined || (value === '' && row?.kind.type === 'list')
  if (isNone) return `(${row?.defaultText ?? 'none'})`
  return value === value.trim() && value !== '' ? value : JSON.stringify(value)
}
