import type { Tag } from '../model/metric-list.js'
import { forEachDatapoint } from './datapoints.js'
import type { LineEncoder } from './rendered-lines.js'
import { lastOfEachKey } from './unique-tags.js'

/**
 * Renders lists for a person: a line with topic and tags, below it each datapoint's time, name and value in columns. Lists of one
 * topic and the same tags that follow each other share their first line, also over several calls.
 *
 * Control characters are shown as `\u001b`: what a container sends must not drive the terminal.
 *
 * @param colour ANSI colours around topic, tag keys, names and times
 */
export function createPrettyLines({ colour }: { colour: boolean }): LineEncoder {
  const paint = colour ? painted : plain
  let shownAbove: { topic: string; tags: readonly Tag[] } | undefined
  return ({ topic, tags, datapoints }, lines) => {
    const rows: { time: string; name: string; value: string }[] = []
    const read = forEachDatapoint(datapoints, (name, timeMs, value) => {
      rows.push({ time: timeText(timeMs), name: visible(name), value: numberText(value) })
    })
    let text = ''
    if (rows.length > 0 && !(shownAbove?.topic === topic && sameTags(shownAbove.tags, tags))) {
      text = `${heading(topic, tags, paint)}\n`
      shownAbove = { topic, tags }
    }
    const nameWidth = widest(rows.map(({ name }) => name))
    const valueWidth = widest(rows.map(({ value }) => value))
    for (const { time, name, value } of rows) {
      text += `  ${paint.time(time)}  ${paint.name(name)}${blanks(nameWidth, name)}  ${blanks(valueWidth, value)}${value}\n`
    }
    lines.addText(text)
    return { datapoints: read, notFinite: 0, undecodable: datapoints.count - read }
  }
}

type Paint = Record<'topic' | 'key' | 'time' | 'name', (text: string) => string>

const plain: Paint = { topic: same, key: same, time: same, name: same }
const painted: Paint = { topic: ansi(1), key: ansi(2), time: ansi(2), name: ansi(36) }

function same(text: string): string {
  return text
}

function ansi(code: number): (text: string) => string {
  return (text) => `\u001b[${code}m${text}\u001b[0m`
}

function heading(topic: string, tags: readonly Tag[], paint: Paint): string {
  const shown = [...lastOfEachKey(tags)].map(([key, value]) => `${paint.key(`${visible(key)}=`)}${visible(value)}`)
  return [paint.topic(visible(topic)), ...shown].join(' ')
}

function sameTags(left: readonly Tag[], right: readonly Tag[]): boolean {
  if (left === right) return true
  return left.length === right.length && left.every(({ key, value }, at) => isTag(right[at], key, value))
}

function isTag(tag: Tag | undefined, key: string, value: string): boolean {
  return tag !== undefined && tag.key === key && tag.value === value
}

// The same list is drawn every few seconds: one very long name must not push all values out of sight.
const WIDEST_COLUMN = 60

function widest(texts: readonly string[]): number {
  return texts.reduce((width, text) => Math.max(width, Math.min(text.length, WIDEST_COLUMN)), 0)
}

function blanks(width: number, text: string): string {
  return ' '.repeat(Math.max(0, width - text.length))
}

function visible(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, asEscape)
}

function asEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function numberText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

/** ISO 8601 in UTC; a time that no calendar has, as its milliseconds. */
function timeText(timeMs: number): string {
  const date = new Date(timeMs)
  return Number.isNaN(date.getTime()) ? `${timeMs} ms` : date.toISOString()
}
