import { hurriedBy } from '../../src/platform/clock.js'
import { createFakeClock } from '../support/fake-clock.js'

test('sleeps end by their time, by their own signal, or when there is hurry; then none begins', async () => {
  const clock = createFakeClock()
  const [hurry, own] = [new AbortController(), new AbortController()]
  const hurried = hurriedBy(hurry.signal, clock)
  const woken: string[] = []
  const sleep = (name: string, ms: number, signal?: AbortSignal) =>
    hurried.sleep(ms, signal).then(() => void woken.push(name))
  const all = [sleep('time', 10), sleep('own', 1000, own.signal), sleep('hurry', 1000)]
  await clock.advance(10)
  expect(woken).toEqual(['time'])
  own.abort()
  await clock.advance(0)
  expect(woken).toEqual(['time', 'own'])
  hurry.abort()
  await Promise.all(all)
  await sleep('none', 1000)
  expect(woken).toEqual(['time', 'own', 'hurry', 'none'])
})
