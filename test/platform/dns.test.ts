import { type ResolvedAddress, watchHost } from '../../src/platform/dns.js'
import { createFakeClock } from '../support/fake-clock.js'

const refreshMs = 60_000

/** A name whose answers a test sets, and a `random` that it sets too. */
function start(firstAnswer: string[] | Error) {
  const clock = createFakeClock()
  const names = { answer: firstAnswer, random: 0, asked: [] as string[] }
  const changes: string[] = []
  const failures: unknown[] = []
  const watch = watchHost({
    host: 'metrics.example',
    refreshMs,
    clock,
    random: () => names.random,
    resolve: async (host) => {
      names.asked.push(host)
      if (names.answer instanceof Error) throw names.answer
      return names.answer.map((address): ResolvedAddress => ({ address, family: address.includes(':') ? 6 : 4 }))
    },
    onChange: ({ address }) => changes.push(address),
    onFailure: (cause) => failures.push(cause),
  })
  return { clock, names, changes, failures, watch, chosen: () => watch.address()?.address }
}

test('nothing is chosen until the name has resolved, which is tried at once', async () => {
  const { watch, clock, chosen, names } = start(['10.0.0.1'])
  expect(watch.address()).toBeUndefined()
  await clock.advance(0)
  expect(chosen()).toBe('10.0.0.1')
  expect(names.asked).toEqual(['metrics.example'])
})

test.each([
  [0, '10.0.0.1'],
  [0.34, '10.0.0.2'],
  [0.999, '10.0.0.3'],
])('one of the addresses at random: %d gives %s', async (random, address) => {
  const { clock, chosen, names } = start(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
  names.random = random
  await clock.advance(0)
  expect(chosen()).toBe(address)
})

test('the choice is kept while the set is the same, in whatever order it comes', async () => {
  const { clock, chosen, names, changes } = start(['10.0.0.1', '10.0.0.2'])
  await clock.advance(0)
  names.random = 0.99
  names.answer = ['10.0.0.2', '10.0.0.1', '10.0.0.2']
  await clock.advance(refreshMs)
  expect(names.asked).toHaveLength(2)
  expect(chosen()).toBe('10.0.0.1')
  expect(changes).toEqual(['10.0.0.1'])
})

test.each([
  ['one more', ['10.0.0.1', '10.0.0.2', '10.0.0.3'], '10.0.0.3'],
  ['one less', ['10.0.0.2'], '10.0.0.2'],
  ['others', ['10.0.1.1', '10.0.1.2'], '10.0.1.2'],
])('any change of the set is a new choice: %s', async (_what, answer, address) => {
  const { clock, chosen, names } = start(['10.0.0.1', '10.0.0.2'])
  await clock.advance(0)
  names.random = 0.99
  names.answer = answer
  await clock.advance(refreshMs)
  expect(chosen()).toBe(address)
})

test.each([
  ['an error', new Error('SERVFAIL')],
  ['an empty answer', []],
])('the choice is kept when the name stops resolving (%s), and the failure is told', async (_what, answer) => {
  const { clock, chosen, names, failures } = start(['10.0.0.1'])
  await clock.advance(0)
  names.answer = answer
  await clock.advance(refreshMs)
  expect(chosen()).toBe('10.0.0.1')
  expect(failures).toHaveLength(1)
  names.answer = ['10.0.0.1']
  await clock.advance(refreshMs)
  expect(failures).toHaveLength(1)
})

test('a name that resolves only later is chosen then', async () => {
  const { clock, chosen, names } = start(new Error('ENOTFOUND'))
  await clock.advance(refreshMs)
  expect(chosen()).toBeUndefined()
  names.answer = ['10.0.0.1']
  await clock.advance(refreshMs)
  expect(chosen()).toBe('10.0.0.1')
})

test('IPv4 addresses are preferred; where there are none, IPv6 ones serve', async () => {
  const { clock, chosen, names } = start(['fd00::1', '10.0.0.1'])
  await clock.advance(0)
  expect(chosen()).toBe('10.0.0.1')
  names.answer = ['fd00::1']
  await clock.advance(refreshMs)
  expect(chosen()).toBe('fd00::1')
})

test.each([
  ['127.0.0.1', 4],
  ['::1', 6],
])('a literal address needs no lookup: %s', (host, family) => {
  const resolve = () => Promise.reject(new Error('asked'))
  expect(watchHost({ host, refreshMs, resolve }).address()).toEqual({ address: host, family })
})

test('a slow lookup is not asked a second time meanwhile, and nothing is chosen after the end', async () => {
  const clock = createFakeClock()
  const answers: ((found: ResolvedAddress[]) => void)[] = []
  const watch = watchHost({
    host: 'slow.example',
    refreshMs,
    clock,
    resolve: () => new Promise((resolve) => answers.push(resolve)),
  })
  await clock.advance(3 * refreshMs)
  expect(answers).toHaveLength(1)
  watch.close()
  answers[0]!([{ address: '10.0.0.1', family: 4 }])
  await clock.advance(3 * refreshMs)
  expect(watch.address()).toBeUndefined()
  expect(answers).toHaveLength(1)
})

test('the system resolves localhost', async () => {
  const watch = watchHost({ host: 'localhost', refreshMs })
  await watch.refresh()
  watch.close()
  expect(['127.0.0.1', '::1']).toContain(watch.address()?.address)
})
