import type { Tag } from '../model/metric-list.js'

// `\p{Cc}` holds the line ends. A line's parts are told apart by the other ones.
const meaningInName = /[:|@#,\s\p{Cc}]/u
const allMeaningInName = /[:|@#,\s\p{Cc}]/gu
const allMeaningInValue = /[|,\p{Cc}]/gu
const startOfEventOrCheck = /^_(?:e\{|sc)/

/**
 * One datapoint as a gauge of DogStatsD: `name:value|g|#k:v,k2:v2`, without its line end. It may hold a negative value: DogStatsD
 * takes it as it stands, not as a difference.
 *
 * @param name as `dogstatsdName` gives it
 * @param value finite; the protocol has no other numbers
 * @param tagSection as `dogstatsdTags` gives it
 * @see https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/
 */
export function dogstatsdGauge(name: string, value: number, tagSection: string): string {
  return `${name}:${value}|g${tagSection}`
}

/** A name with `_` for every character that means something in a line; never empty, and never the start of an event. */
export function dogstatsdName(name: string): string {
  if (name === '') return '_'
  const safe = meaningInName.test(name) ? name.replace(allMeaningInName, '_') : name
  return startOfEventOrCheck.test(safe) ? `_${safe}` : safe
}

/**
 * The tag section with its `|#`, or '' where there are no tags. In values only what would end them is replaced by `_`: the first
 * colon of a tag splits it, so that `image:registry:5000/x@sha256` stays whole. A tag without a value is its key alone.
 */
export function dogstatsdTags(tags: readonly Tag[]): string {
  return tags.length === 0 ? '' : `|#${tags.map(tagText).join(',')}`
}

function tagText({ key, value }: Tag): string {
  const safeKey = key === '' ? '_' : key.replace(allMeaningInName, '_')
  return value === '' ? safeKey : `${safeKey}:${value.replace(allMeaningInValue, '_')}`
}
