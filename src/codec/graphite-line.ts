import type { MetricList, Tag } from '../model/metric-list.js'
import { forEachDatapoint } from './datapoints.js'
import type { RenderedLines } from './rendered-lines.js'
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

/**
 * Renders a list for carbon's plaintext port, one `path value seconds` line a datapoint.
 *
 * Carbon counts whole seconds, our model milliseconds. NaN and infinities, which carbon does not store, are left out.
 */
export function encodeGraphiteLines({ tags, datapoints }: MetricList, names: GraphiteNames): RenderedLines {
  const before = names.beforeOf(tags)
  const behind = names.behindOf(tags)
  let text = ''
  let notFinite = 0
  const read = forEachDatapoint(datapoints, (name, timeMs, value) => {
    if (Number.isFinite(value))
      text += `${before}${names.nameOf(name)}${behind} ${value} ${Math.floor(timeMs / 1000)}\n`
    else notFinite++
  })
  return { text, datapoints: read - notFinite, notFinite, undecodable: datapoints.count - read }
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
  return suffix
}

function safeTagKey(key: string): string {
  return key === 'name' ? 'name_' : key.replace(/[;!^=\s\p{Cc}]/gu, '_')
}

function safeTagValue(value: string): string {
  return value.replace(/[;\s\p{Cc}]/gu, '_').replace(/^~/, '_')
}
