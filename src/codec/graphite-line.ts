import type { Tag } from '../model/metric-list.js'
import { DatapointReader } from './datapoint-reader.js'
import { blank, LinePart, newline } from './line-buffer.js'
import { NameCache } from './name-cache.js'
import type { LineEncoder } from './rendered-lines.js'
import { createTextCache } from './text-cache.js'
import { createTagsCache, lastOfEachKey } from './unique-tags.js'

/** How a datapoint's path is made. */
export interface GraphiteNaming {
  /** Put in front with a dot; '' for none. Its dots stay. */
  readonly prefix: string
  /** Whether framework_id, executor_id and container_id come in front of the name; of no meaning with `tags`. */
  readonly prefixIds: boolean
  /** `name;key=value` with all tags, instead of a path with ids. */
  readonly tags: boolean
}

/** The path of a datapoint is `before + name + behind`; `before` and `behind` depend on the list's tags only. */
export interface GraphiteNames {
  beforeOf(tags: readonly Tag[]): string
  nameOf(name: string): string
  behindOf(tags: readonly Tag[]): string
}

/**
 * How names are written for carbon: `prefix.framework_id.executor_id.container_id.name`, each id where the list has such a tag, of
 * repeated ones the last. Characters outside `[A-Za-z0-9_:.-]` become `_`. Dots are kept, in ids too, as the first DC/OS
 * releases did (executor ids of Marathon have them), so that dashboards made for those still find their series; empty parts,
 * which carbon cannot keep apart, are left out.
 *
 * With tags: `prefix.name;key=value`, sorted by key. Carbon's rules: in a key `;`, `!`, `^`, `=`, blanks and control characters become `_`, in
 * a value `;`, blanks, control characters and a `~` in front; `name` is carbon's own tag, so a sender's is
 * called `name_`; tags without key or value are left out.
 *
 * @see Graphite docs, "Feeding In Your Data" and "Graphite Tag Support"; carbon's util.TaggedSeries
 */
export function createGraphiteNames({ prefix, prefixIds, tags: withTags }: GraphiteNaming): GraphiteNames {
  const safePrefix = safePath(prefix)
  const inFront = (tags: readonly Tag[]) => (prefixIds && !withTags ? [safePrefix, ...idParts(tags)] : [safePrefix])
  return {
    beforeOf: createTagsCache((tags) =>
      inFront(tags)
        .filter(Boolean)
        .map((part) => `${part}.`)
        .join(''),
    ),
    nameOf: createTextCache((name) => safePath(name) || '_'),
    behindOf: withTags ? createTagsCache(tagSuffix) : () => '',
  }
}

/** Carbon's line receiver closes the connection on a longer line (twisted's LineOnlyReceiver.MAX_LENGTH). */
const LINE_LIMIT_BYTES = 16_384
/** Room for a blank, the longest double, a blank, seconds. */
const NUMBERS_BYTES = 51

/**
 * Writes lists for carbon's plaintext port, one `path value seconds` line a datapoint.
 *
 * Carbon counts whole seconds, our model milliseconds. NaN and infinities, which carbon does not store, are left out,
 * and so is a line of more than 16 KiB, at which carbon would close the connection.
 */
export function createGraphiteLines({ beforeOf, nameOf, behindOf }: GraphiteNames): LineEncoder {
  const partsOf = createTagsCache((tags) => ({
    before: new LinePart(beforeOf(tags)),
    behind: new LinePart(behindOf(tags)),
  }))
  const names = new NameCache((name) => new LinePart(nameOf(name)))
  const reader = new DatapointReader()
  return ({ tags, datapoints }, lines) => {
    const { before, behind } = partsOf(tags)
    const longestName = LINE_LIMIT_BYTES - NUMBERS_BYTES - before.length - behind.length
    let read = 0
    let notFinite = 0
    let tooLarge = 0
    for (reader.open(datapoints); reader.next(); read++) {
      const name = names.nameAt(reader).made
      if (!Number.isFinite(reader.value)) notFinite++
      else if (name.length > longestName) tooLarge++
      else {
        lines.addPart(before)
        lines.addPart(name)
        if (behind.length > 0) lines.addPart(behind)
        lines.addByte(blank)
        lines.addNumber(reader.value)
        lines.addByte(blank)
        lines.addSeconds(Math.floor(reader.timeMs / 1000))
        lines.addByte(newline)
      }
    }
    const written = read - notFinite - tooLarge
    return { datapoints: written, notFinite, tooLarge, undecodable: datapoints.count - read }
  }
}

function idParts(tags: readonly Tag[]): string[] {
  const values = lastOfEachKey(tags)
  return ['framework_id', 'executor_id', 'container_id'].map((key) => safePath(values.get(key) ?? ''))
}

function safePath(text: string): string {
  const safe = text.replace(/[^A-Za-z0-9_:.-]/gu, '_')
  return safe.includes('.') ? safe.split('.').filter(Boolean).join('.') : safe
}

function tagSuffix(tags: readonly Tag[]): string {
  const safe = new Map<string, string>()
  for (const [key, value] of lastOfEachKey(tags)) {
    if (key !== '' && value !== '') safe.set(safeTagKey(key), safeTagValue(value))
  }
  let suffix = ''
  for (const key of [...safe.keys()].sort()) suffix += `;${key}=${safe.get(key)}`
  // Carbon takes a path with such an end for OpenMetrics' form, and then refuses it.
  return suffix.replace(/"}$/, '"_')
}

function safeTagKey(key: string): string {
  return key === 'name' ? 'name_' : key.replace(/[;!^=\s\p{Cc}]/gu, '_')
}

function safeTagValue(value: string): string {
  return value.replace(/[;\s\p{Cc}]/gu, '_').replace(/^~/, '_')
}
