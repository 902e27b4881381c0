import type { ContainerIdentity } from '../model/agent-state.js'

/** How a passed-on StatsD row tells whose it is. */
export type AnnotationMode = 'none' | 'key_prefix' | 'tag_datadog'

/** What is put into a row: `bytes` at `at`, which is between the row's `start` and its `end`. */
export interface Insertion {
  readonly at: number
  readonly bytes: Uint8Array
}

/**
 * Where a row gets its annotation, and which (R36 of the first implementation); undefined where it stays as it is.
 *
 * The row is `packet[start, end)`, without its `\n`. No byte of it is changed or left out: the insertion is written between.
 *
 * - key_prefix: `<framework id>.<executor id>.<container id>.` in front, dots in the ids as `_`; `unknown_container.`
 *   where nobody is known.
 * - tag_datadog: `framework_id:..,executor_id:..,container_id:..` at the end of the row's first `|#` section, or in a
 *   section of its own at the end of the row; the bare tag `unknown_container` where nobody is known.
 *
 * @param identity undefined where the container is not known
 */
export type Annotate = (
  identity: ContainerIdentity | undefined,
  packet: Uint8Array,
  start: number,
  end: number,
) => Insertion | undefined

const verticalBar = 0x7c
const hash = 0x23
const comma = 0x2c
const carriageReturn = 0x0d

export function createAnnotation(mode: AnnotationMode): Annotate {
  switch (mode) {
    case 'none':
      return () => undefined
    case 'key_prefix':
      return annotateKey
    case 'tag_datadog':
      return annotateTags
  }
}

function annotateKey(identity: ContainerIdentity | undefined, _packet: Uint8Array, start: number): Insertion {
  return { at: start, bytes: bytesOf(identity).keyPrefix }
}

function annotateTags(
  identity: ContainerIdentity | undefined,
  packet: Uint8Array,
  start: number,
  end: number,
): Insertion {
  const { tags, tagsWithComma, tagSection } = bytesOf(identity)
  // A `\r` belongs to the end of the line, not to its last section.
  const rowEnd = end > start && packet[end - 1] === carriageReturn ? end - 1 : end
  const sectionStart = findTagSection(packet, start, rowEnd)
  if (sectionStart === undefined) return { at: rowEnd, bytes: tagSection }
  const at = findSectionEnd(packet, sectionStart, rowEnd)
  const last = packet[at - 1]
  return { at, bytes: last === hash || last === comma ? tags : tagsWithComma }
}

/** Where the text of the first `|#` section begins. */
function findTagSection(packet: Uint8Array, start: number, end: number): number | undefined {
  for (let pos = start; pos + 1 < end; pos += 1) {
    if (packet[pos] === verticalBar && packet[pos + 1] === hash) return pos + 2
  }
  return undefined
}

function findSectionEnd(packet: Uint8Array, start: number, end: number): number {
  for (let pos = start; pos < end; pos += 1) if (packet[pos] === verticalBar) return pos
  return end
}

interface AnnotationBytes {
  readonly keyPrefix: Uint8Array
  readonly tags: Uint8Array
  readonly tagsWithComma: Uint8Array
  readonly tagSection: Uint8Array
}

const unknownBytes = encode('unknown_container.', 'unknown_container')
const knownBytes = new WeakMap<ContainerIdentity, AnnotationBytes>()

function bytesOf(identity: ContainerIdentity | undefined): AnnotationBytes {
  if (identity === undefined) return unknownBytes
  const cached = knownBytes.get(identity)
  if (cached !== undefined) return cached
  const { frameworkId, executorId, containerId } = identity
  const bytes = encode(
    [frameworkId, executorId, containerId].map((id) => `${asKeyPart(id)}.`).join(''),
    `framework_id:${asTagValue(frameworkId)},executor_id:${asTagValue(executorId)},container_id:${asTagValue(containerId)}`,
  )
  knownBytes.set(identity, bytes)
  return bytes
}

function encode(keyPrefix: string, tags: string): AnnotationBytes {
  return {
    keyPrefix: Buffer.from(keyPrefix),
    tags: Buffer.from(tags),
    tagsWithComma: Buffer.from(`,${tags}`),
    tagSection: Buffer.from(`|#${tags}`),
  }
}

// Executor ids are free text: what would end the name, or the row, must not come from one.
function asKeyPart(id: string): string {
  return id.replace(/[.:|\s]/g, '_')
}

function asTagValue(id: string): string {
  return id.replace(/[,|\r\n]/g, '_')
}
