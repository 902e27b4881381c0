import { createTopicRule } from '../../src/tagging/topic.js'

const legal = /^[a-zA-Z0-9._-]{1,249}$/

test.each([
  ['the prefix stands in front', 'metrics-', 'agent', 'metrics-agent'],
  ['ids of frameworks are taken as they are', 'metrics-', '1d899b6c-ba54-0000', 'metrics-1d899b6c-ba54-0000'],
  ['dots, underscores and dashes are allowed', '', 'a.b_c-d', 'a.b_c-d'],
  ['each forbidden character becomes one underscore', 'metrics-', 'a b/c:d', 'metrics-a_b_c_d'],
  ['a letter outside ASCII is one character', '', 'grün', 'gr_n'],
  ['a character of two UTF-16 units is one character', '', 'x😀y', 'x_y'],
  ['a lone surrogate is replaced', '', 'x\ud800y', 'x_y'],
  ['a newline cannot get through', '', 'a\nb\0', 'a_b_'],
  ['forbidden characters of the prefix are replaced too', 'my metrics/', 'agent', 'my_metrics_agent'],
  ['what is too long is cut to 249', 'metrics-', 'x'.repeat(300), `metrics-${'x'.repeat(241)}`],
  ['one dot is no topic', '', '.', '_'],
  ['two dots are no topic', '', '..', '__'],
  ['three dots are one', '', '...', '...'],
  ['an empty name is no topic', '', '', '_'],
  ['an empty name behind a prefix is the prefix', 'metrics-', '', 'metrics-'],
])('createTopicRule: %s', (_rule, prefix, topic, expected) => {
  const rule = createTopicRule({ prefix })
  expect(rule({ topic })).toBe(expected)
  expect(rule({ topic })).toBe(expected)
  expect(expected).toMatch(legal)
})

test.each([
  ['a single topic takes everything, without prefix', 'all-metrics', 'all-metrics'],
  ['a single topic is made legal', 'all metrics', 'all_metrics'],
])('createTopicRule: %s', (_rule, singleTopic, expected) => {
  expect(createTopicRule({ prefix: 'metrics-', singleTopic })({ topic: 'agent' })).toBe(expected)
})

test('createTopicRule: an empty single topic means a topic per list', () => {
  expect(createTopicRule({ prefix: 'metrics-', singleTopic: '' })({ topic: 'agent' })).toBe('metrics-agent')
})

test('createTopicRule: stays right beyond the names it remembers', () => {
  const rule = createTopicRule({ prefix: 'm-' })
  for (let i = 0; i < 25_000; i++) expect(rule({ topic: `t ${i}` })).toBe(`m-t_${i}`)
  expect(rule({ topic: 't 0' })).toBe('m-t_0')
})
