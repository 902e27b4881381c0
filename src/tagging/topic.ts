import type { MetricList } from '../model/metric-list.js'

const maxTopicLength = 249
const forbiddenInTopics = /[^a-zA-Z0-9._-]/gu

/** How many names are remembered; beyond that the memory starts over, so that a hostile sender cannot make it grow. */
const maxRemembered = 10_000

/**
 * Which topic of the bus a list goes to: prefix + the list's topic, or the single topic (then without prefix).
 *
 * The result is always a name that Kafka takes: 1 to 249 of `a-z A-Z 0-9 . _ -`, and neither `.` nor `..`. Every
 * other character becomes `_`, and what is too long is cut.
 *
 * @param prefix put in front of each list's topic; '' for none
 * @param singleTopic one topic for everything; undefined or '' for a topic per list
 * @see org.apache.kafka.common.internals.Topic, what `validate` refuses
 */
export function createTopicRule({
  prefix,
  singleTopic,
}: {
  prefix: string
  singleTopic?: string | undefined
}): (list: Pick<MetricList, 'topic'>) => string {
  if (singleTopic) {
    const topic = legalTopic(singleTopic)
    return () => topic
  }
  const remembered = new Map<string, string>()
  function look(topic: string): string {
    const known = remembered.get(topic)
    if (known !== undefined) return known
    const legal = legalTopic(prefix + topic)
    if (remembered.size >= maxRemembered) remembered.clear()
    remembered.set(topic, legal)
    return legal
  }
  let last = { topic: '', legal: legalTopic(prefix) }
  return ({ topic }) => {
    // Lists of one topic come one behind the other.
    if (topic !== last.topic) last = { topic, legal: look(topic) }
    return last.legal
  }
}

function legalTopic(wanted: string): string {
  const legal = wanted.replace(forbiddenInTopics, '_').slice(0, maxTopicLength)
  if (legal === '') return '_'
  return legal === '.' || legal === '..' ? legal.replaceAll('.', '_') : legal
}
