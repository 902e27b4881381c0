import type { DatapointReader } from '../codec/datapoint-reader.js'
import type { InfluxNames } from '../codec/influx-line.js'
import { LinePart } from '../codec/line-buffer.js'
import { type KnownName, NameCache } from '../codec/name-cache.js'
import { createTagsCache } from '../codec/unique-tags.js'
import type { Tag } from '../model/metric-list.js'

/** Datapoints of the same tags and name: of two in the same nanosecond InfluxDB keeps one. */
export class Series {
  readonly name: string
  /** Measurement and tags, shared by all series with these. */
  readonly head: LinePart
  /** The name as a field key, with the equals sign; shared by all series of this name. */
  readonly field: LinePart
  readonly number: number
  /** The newest time that was ever settled, with the value there and the largest step used for it. */
  newestMs = Number.NEGATIVE_INFINITY
  newestValue = 0
  newestExtraNs = 0
  /** The first time in the write of this number, and the points there: only while nothing is known of the series. */
  firstWrite = -1
  firstPoints: number[] | undefined
  /** The series that came behind this one the last time: nearly always the one that comes behind it this time. */
  next: Series | undefined

  constructor(name: string, parts: { head: LinePart; field: LinePart; number: number }) {
    this.name = name
    this.head = parts.head
    this.field = parts.field
    this.number = parts.number
  }
}

/** The series with the same measurement and tags, whatever the order of the tags. */
export class TagSet {
  readonly #book: SeriesBook
  readonly #head: LinePart
  readonly #byName = new Map<string, Series>()
  #last: Series | undefined

  constructor(book: SeriesBook, head: LinePart) {
    this.#book = book
    this.#head = head
  }

  /** @param isFirst of its list: what the list before ended with says nothing of it */
  seriesOf(name: KnownName<LinePart>, isFirst: boolean): Series {
    if (isFirst) this.#last = undefined
    const guess = this.#last?.next
    if (guess?.name === name.text) {
      this.#last = guess
      return guess
    }
    return this.#lookUp(name)
  }

  #lookUp(name: KnownName<LinePart>): Series {
    const series = this.#byName.get(name.text) ?? this.#addSeries(name)
    if (this.#last !== undefined) this.#last.next = series
    this.#last = series
    return series
  }

  #addSeries({ text, made: field }: KnownName<LinePart>): Series {
    const series = this.#book.newSeries(text, this.#head, field)
    this.#byName.set(text, series)
    return series
  }
}

/** All series that are known. */
export class SeriesBook {
  readonly #names: InfluxNames
  readonly #fields: NameCache<LinePart>
  #tagSetOf: (tags: readonly Tag[]) => TagSet
  #count = 0

  constructor(names: InfluxNames) {
    this.#names = names
    this.#fields = new NameCache((name) => new LinePart(`${names.fieldOf(name)}=`))
    this.#tagSetOf = this.#newTagSets()
  }

  get count(): number {
    return this.#count
  }

  tagSetOf(tags: readonly Tag[]): TagSet {
    return this.#tagSetOf(tags)
  }

  /** The name of the datapoint at which the reader stands, as a field. */
  fieldAt(reader: DatapointReader): KnownName<LinePart> {
    return this.#fields.nameAt(reader)
  }

  newSeries(name: string, head: LinePart, field: LinePart): Series {
    return new Series(name, { head, field, number: this.#count++ })
  }

  forgetAll(): void {
    this.#tagSetOf = this.#newTagSets()
    this.#count = 0
  }

  #newTagSets(): (tags: readonly Tag[]) => TagSet {
    const byHead = new Map<string, TagSet>()
    return createTagsCache((tags) => {
      const head = this.#names.seriesOf(tags)
      const known = byHead.get(head)
      if (known !== undefined) return known
      const tagSet = new TagSet(this, new LinePart(head))
      byHead.set(head, tagSet)
      return tagSet
    })
  }
}
