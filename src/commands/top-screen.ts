import { styleText } from 'node:util'
import type { LiveHop, LiveRow, LiveSort, LiveState, LiveTableName } from '../model/live.js'
import { age, bytesPerSecond, perSecond, short, span } from '../telemetry/figures.js'

/** What is shown, and how. */
export interface TopView {
  readonly show: LiveTableName
  readonly sort: LiveSort
  readonly search: string
  /** `HOST:PORT` of the daemon. */
  readonly address: string
  readonly colour: boolean
}

type Style = Parameters<typeof styleText>[0]

interface Cell {
  readonly text: string
  readonly style?: Style
}

interface Column {
  readonly title: string
  readonly sort?: LiveSort
  readonly cell: (row: LiveRow, atMs: number) => Cell
}

const rate: Column = { title: 'DATAPOINTS', sort: 'rate', cell: (row) => ({ text: perSecond(row.rate) }) }
const bytes: Column = { title: 'BYTES', sort: 'bytes', cell: (row) => ({ text: bytesPerSecond(row.byteRate) }) }
const drops: Column = { title: 'DROPPED', sort: 'drops', cell: dropsCell }
const last: Column = {
  title: 'LAST',
  sort: 'age',
  cell: ({ lastMs }, atMs) => ({ text: lastMs === undefined ? 'never' : age(atMs - lastMs) }),
}

// In front of the names, so that a narrow terminal cuts the names.
const figures = [rate, bytes, drops, last]

const columns: Readonly<Record<LiveTableName, readonly Column[]>> = {
  containers: [
    ...figures,
    { title: 'APPLICATION', cell: ({ name = '' }) => ({ text: name }) },
    { title: 'FRAMEWORK', cell: ({ framework = '' }) => ({ text: framework }) },
    { title: 'CONTAINER', sort: 'name', cell: ({ id }) => ({ text: id }) },
  ],
  frameworks: [
    ...figures,
    { title: 'CONTAINERS', cell: ({ containers = 0 }) => ({ text: String(containers) }) },
    {
      title: 'FRAMEWORK',
      sort: 'name',
      cell: ({ id, name }) => ({ text: name === undefined ? id : `${name} (${id})` }),
    },
  ],
  names: [rate, bytes, last, { title: 'METRIC', sort: 'name', cell: ({ id }) => ({ text: id }) }],
}

/** Columns that are texts: the others stand to the right. */
const leftTitles = new Set(['CONTAINER', 'APPLICATION', 'FRAMEWORK', 'METRIC', 'HOP', 'DROPPED BY REASON'])
const longestText = 80

/** The whole of it as lines, none longer than `width`. */
export function renderTop(state: LiveState, view: TopView, width = Number.POSITIVE_INFINITY): string[] {
  const lines = [
    head(state, view),
    ...hopLines(state.hops),
    [],
    [{ text: tabs(state, view) }],
    ...tableLines(state, view),
  ]
  return lines.map((cells) => paint(cells, width, view.colour))
}

function head({ role, version, atMs, startedAtMs, ready, checks }: LiveState, { address }: TopView): Cell[] {
  const waiting = Object.entries(checks).filter(([, check]) => !check.ready)
  const why = waiting.map(([part, { reason = '' }]) => `${part} (${plain(reason)})`).join(', ')
  return [
    { text: `dcos-stats ${plain(version)}  `, style: 'bold' },
    { text: `${plain(role)} at ${address}, up ${span((atMs - startedAtMs) / 1000)}, ` },
    ready ? { text: 'ready', style: 'green' } : { text: `waiting for ${why}`, style: 'red' },
  ]
}

function hopLines(hops: readonly LiveHop[]): Cell[][] {
  const heads = ['HOP', 'RECEIVED', 'FORWARDED', 'HELD', 'DROPPED BY REASON']
  const rows = hops.map(({ hop, received, forwarded, dropped, held, rates }) => [
    { text: plain(hop) },
    { text: `${received}  ${perSecond(rates.received)}` },
    { text: `${forwarded}  ${perSecond(rates.forwarded)}` },
    { text: String(held) },
    dropsOfHop(dropped, rates.dropped),
  ])
  return grid(heads, rows)
}

function dropsOfHop(dropped: Readonly<Record<string, number>>, rates: Readonly<Record<string, number>>): Cell {
  const reasons = Object.entries(dropped).map(
    ([reason, count]) => `${plain(reason)} ${count}  ${perSecond(rates[reason] ?? 0)}`,
  )
  return reasons.length === 0 ? { text: '-' } : { text: reasons.join(', '), style: 'red' }
}

function tabs(state: LiveState, { show, search }: TopView): string {
  const { found, rows } = state[show]
  const searched = search === '' ? '' : ` like "${plain(search)}"`
  const shown = rows.length === found ? String(found) : `${rows.length} of ${found}`
  return `${show === 'names' ? 'metric names' : show}${searched}: ${shown}`
}

function tableLines(state: LiveState, { show, sort }: TopView): Cell[][] {
  const shown = columns[show]
  const heads = shown.map((column) => (column.sort === sort ? `${column.title}*` : column.title))
  return grid(
    heads,
    state[show].rows.map((row) => shown.map(({ cell }) => cell(row, state.atMs))),
  )
}

/** Columns as wide as their widest cell; texts that are too long lose their end. */
function grid(heads: readonly string[], rows: readonly (readonly Cell[])[]): Cell[][] {
  const isLeft = heads.map((title) => leftTitles.has(title.replace('*', '')))
  const all = [heads.map((text): Cell => ({ text, style: 'dim' })), ...rows.map((cells) => cells.map(cut))]
  const widths = heads.map((_, at) => Math.max(...all.map((cells) => cells[at]?.text.length ?? 0)))
  return all.map((cells) =>
    cells.map(({ text, style }, at) => {
      const width = widths[at] ?? 0
      const padded = isLeft[at] ? text.padEnd(width) : text.padStart(width)
      return { text: `${padded}  `, ...(style && { style }) }
    }),
  )
}

function cut({ text, style }: Cell): Cell {
  const clean = plain(text)
  const shortened = clean.length > longestText ? `${clean.slice(0, longestText - 1)}…` : clean
  return { text: shortened, ...(style && { style }) }
}

function dropsCell({ dropRate, dropped, kernelDrops = 0 }: LiveRow): Cell {
  if (dropped === undefined) return { text: '-' }
  const kernel = kernelDrops > 0 ? ` + ${short(kernelDrops)} packets` : ''
  const text = `${dropRate ? `${perSecond(dropRate)}  ` : ''}${short(dropped)}${kernel}`
  return dropped + kernelDrops > 0 ? { text, style: 'red' } : { text }
}

/** Whoever names a metric must not be able to command the terminal. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '·')
}

function paint(cells: readonly Cell[], width: number, colour: boolean): string {
  let left = width
  let line = ''
  for (const { text, style } of trimmed(cells)) {
    const piece = text.slice(0, Math.max(0, left))
    left -= piece.length
    line += colour && style !== undefined && piece !== '' ? styleText(style, piece, { validateStream: false }) : piece
  }
  return line
}

/** No blanks at the end of a line. */
function trimmed(cells: readonly Cell[]): readonly Cell[] {
  const end = cells.at(-1)
  return end === undefined ? [] : [...cells.slice(0, -1), { ...end, text: end.text.trimEnd() }]
}
