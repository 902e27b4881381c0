import { isWanted, requireTopicName } from '../../src/bus/kafka-topics.js'

test.each(['metrics-marathon', 'a', 'A.b_c-9', 'x'.repeat(249), '...'])('Kafka takes the topic name %s', (topic) => {
  expect(() => requireTopicName(topic)).not.toThrow()
})

test.each([
  '',
  '.',
  '..',
  'a b',
  'a/b',
  'métrique',
  'a\n',
  'x'.repeat(250),
])('Kafka refuses the topic name %j', (topic) => {
  expect(() => requireTopicName(topic)).toThrow(expect.objectContaining({ code: 'DS_BUS_TOPIC_INVALID' }))
})

test.each([
  ['a name of the list', 'a', ['a', 'b'], true],
  ['a name that is not on it', 'c', ['a', 'b'], false],
  ["one of Kafka's own where it is on the list", '__consumer_offsets', ['__consumer_offsets'], true],
  ['a name the pattern matches whole', 'metrics-x', /metrics-.*/, true],
  ['a name with something in front', 'x-metrics-y', /metrics-.*/, false],
  ['a name with something behind', 'metrics-xy', /metrics-./, false],
  ['alternatives as a whole, not only their last', 'metrics-a-x', /metrics-a|metrics-b/, false],
  ["Kafka's own topics where everything matches", '__consumer_offsets', /.*/, false],
  ['a pattern with the flags g and i', 'METRICS-X', /metrics-x/gi, true],
])('wanted: %s', (_rule, topic, topics, expected) => {
  expect(isWanted(topic, topics)).toBe(expected)
  expect(isWanted(topic, topics)).toBe(expected)
})
