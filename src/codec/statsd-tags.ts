import { isUtf8 } from 'node:buffer'
import type { ContainerIdentity } from '../model/agent-state.js'
import type { Tag } from '../model/metric-list.js'

const reservedKeys: ReadonlySet<string> = new Set(['framework_id', 'executor_id', 'container_id'])

/** Framework, executor and container, in the order in which they stand in front of a sender's tags. */
export function identityTags({ frameworkId, executorId, containerId }: ContainerIdentity): readonly Tag[] {
  return [
    { key: 'framework_id', value: frameworkId },
    { key: 'executor_id', value: executorId },
    { key: 'container_id', value: containerId },
  ]
}

/** A sender's tag section, read. */
export interface ParsedTags {
  readonly tags: readonly Tag[]
  /** How many tags were left out because they would speak for the container. */
  readonly reservedTags: number
  readonly validUtf8: boolean
}

/**
 * Reads `k:v,k2:v2`: split at commas, key and value at the first colon. Without a colon the value is ''; where key
 * and value are both empty there is no tag; what repeats stays. Bytes that are not UTF-8 become U+FFFD.
 *
 * @param section the bytes behind `|#`
 * @param known whether the container is known: then its ids are the truth, and a sender's tag of that name is left out
 */
export function parseTagSection(section: Buffer, known: boolean): ParsedTags {
  const tags: Tag[] = []
  let reservedTags = 0
  for (const text of section.toString('utf8').split(',')) {
    const tag = parseTag(text)
    if (tag.key === '' && tag.value === '') continue
    if (known && reservedKeys.has(tag.key)) reservedTags++
    else tags.push(tag)
  }
  return { tags, reservedTags, validUtf8: isUtf8(section) }
}

function parseTag(text: string): Tag {
  const colon = text.indexOf(':')
  return colon < 0 ? { key: text, value: '' } : { key: text.slice(0, colon), value: text.slice(colon + 1) }
}
