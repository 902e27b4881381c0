import type { Tag } from '../model/metric-list.js'
import { AvroCursor, viewOf } from './avro-cursor.js'
import { hashBytes, sameBytes } from './byte-compare.js'
import { GenerationCache } from './generation-cache.js'
import type { JoinableHead } from './list-joiner.js'
import type { BroughtIn, Scratch } from './scratch.js'
import { readUtf8 } from './utf8.js'

/**
 * A list's topic and tags as they stand in front of its datapoints. A sender's lists come with the same heads again and
 * again, so a head is decoded once and then recognised by its bytes: no other data begin with them, since
 * Avro's strings and arrays tell where they end.
 */
export interface Head extends JoinableHead, BroughtIn {
  /** Holds the head's bytes, with those of others. */
  readonly page: DataView
  readonly start: number
  readonly length: number
  /** Where the tags begin, counted from `start`. */
  readonly tagsAt: number
  /** The head that came behind this one the last time: the first guess for the next time. */
  next: Head | undefined
}

/** Longer heads are read each time and not remembered. */
const longestRememberedHead = 16 * 1024

/** What a head takes besides its bytes: objects, strings, entries. An estimate, for the bound of the memory. */
const headOverheadBytes = 400

/**
 * Shared by all readers of the process: what is remembered changes nothing but how often the same object is handed out, and
 * a thousand connections together stay within the bound. There is room for 100,000 different heads.
 */
const limits = { limit: 64 * 1024 * 1024, weightOf: ({ length }: Head) => length + headOverheadBytes }
const heads = new GenerationCache<number, Head>({
  ...limits,
  // Without this, one remembered head could keep alive an endless chain of forgotten ones.
  forget(head) {
    head.next = undefined
  },
})

/** Heads by the hash of their tags alone: the same tags give the same array, whatever the topic. */
const headsByTags = new GenerationCache<number, Head>(limits)

/** @param scratch given where the cursor's bytes lie in it */
export function isHeadAt(head: Head, cursor: AvroCursor, scratch?: Scratch): boolean {
  const { page, start, length } = head
  if (length > cursor.end - cursor.pos) return false
  const isThere = scratch?.isAt(head, cursor.byteOffset + cursor.pos)
  return isThere ?? sameBytes(page, start, cursor.view, cursor.pos, length)
}

/** Whether the head may be the `next` of another. */
export function isRemembered(head: Head): boolean {
  return head.length <= longestRememberedHead
}

/**
 * The head whose bytes lie between `start` and the cursor; they have been walked, so they are well formed.
 *
 * @param tagsStart where the tags begin in the cursor's bytes
 */
export function findHead({ view, pos }: AvroCursor, start: number, tagsStart: number): Head {
  const length = pos - start
  if (length > longestRememberedHead)
    return newHead(pageOf(view, start, length), 0, length, tagsStart - start, undefined)
  const hash = hashBytes(view, start, length)
  const known = heads.get(hash)
  if (known !== undefined && known.length === length && sameBytes(known.page, known.start, view, start, length))
    return known
  const head = rememberHead(view, start, length, tagsStart - start)
  heads.set(hash, head)
  return head
}

function rememberHead(view: DataView, start: number, length: number, tagsAt: number): Head {
  const tagsHash = hashBytes(view, start + tagsAt, length - tagsAt)
  const sibling = headsByTags.get(tagsHash)
  const tags =
    sibling !== undefined && hasTags(sibling, view, start + tagsAt, length - tagsAt) ? sibling.tags : undefined
  const page = roomFor(length)
  copyBytes(view, start, length, page, pageUsed)
  const head = newHead(page, pageUsed, length, tagsAt, tags)
  pageUsed += length
  if (tags === undefined) headsByTags.set(tagsHash, head)
  return head
}

function hasTags(head: Head, view: DataView, start: number, length: number): boolean {
  return head.length - head.tagsAt === length && sameBytes(head.page, head.start + head.tagsAt, view, start, length)
}

function newHead(
  page: DataView,
  start: number,
  length: number,
  tagsAt: number,
  tags: readonly Tag[] | undefined,
): Head {
  const cursor = new AvroCursor(bytesOf(page), start, start + length)
  const topic = sharedTopic(readString(cursor))
  const links = { joined: undefined, next: undefined, keptAt: 0, keptAge: 0 }
  return { topic, tags: tags ?? readTags(cursor), page, start, length, tagsAt, ...links }
}

let lastTopic = ''

/** Most heads have the topic of the one before: the same string is compared by its address. */
function sharedTopic(topic: string): string {
  if (topic !== lastTopic) lastTopic = topic
  return lastTopic
}

function readTags(cursor: AvroCursor): readonly Tag[] {
  const tags: Tag[] = []
  for (let count = cursor.readLong(); count !== 0; count = cursor.readLong()) {
    if (count < 0) cursor.skipLong()
    for (let left = Math.abs(count); left > 0; left--) {
      tags.push(Object.freeze({ key: readString(cursor), value: readString(cursor) }))
    }
  }
  return Object.freeze(tags)
}

function readString(cursor: AvroCursor): string {
  const length = cursor.readLength()
  const start = cursor.pos
  cursor.pos += length
  return readUtf8(cursor.view, start, length)
}

/** Heads lie together in pages: a buffer for each of them would take more memory and time than its bytes. */
const pageBytes = 64 * 1024
let page = new DataView(new ArrayBuffer(0))
let pageUsed = 0

function roomFor(length: number): DataView {
  if (pageUsed + length > page.byteLength) {
    page = new DataView(new ArrayBuffer(pageBytes))
    pageUsed = 0
  }
  return page
}

function pageOf(view: DataView, start: number, length: number): DataView {
  return viewOf(new Uint8Array(view.buffer, view.byteOffset + start, length))
}

function copyBytes(from: DataView, start: number, length: number, to: DataView, at: number): void {
  new Uint8Array(to.buffer).set(new Uint8Array(from.buffer, from.byteOffset + start, length), at)
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}
