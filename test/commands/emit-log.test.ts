import { sharedLog } from '../../src/commands/emit-log.js'
import { silentLog } from '../../src/telemetry/log.js'
import { createFakeClock } from '../support/fake-clock.js'

function shared() {
  const said: string[] = []
  const keep = (_fields: unknown, text?: string) => void said.push(String(text))
  const clock = createFakeClock()
  const log = sharedLog({ ...silentLog, info: keep, warn: keep, error: keep } as typeof silentLog, clock)
  return { log, said, pass: (seconds: number) => clock.advance(seconds * 1000) }
}

test('what a thousand connections find out is said once, however long it lasts', async () => {
  const { log, said, pass } = shared()
  for (let i = 0; i < 1000; i++) log.warn({ i }, 'waiting')
  await pass(60)
  log.warn({}, 'waiting')
  expect(said).toEqual(['waiting'])
})

test('that it is over is said, and so is the next time', async () => {
  const { log, said, pass } = shared()
  for (const text of ['waiting', 'waiting']) log.warn({}, text)
  for (const text of ['connected', 'connected']) log.info({}, text)
  await pass(11)
  log.warn({}, 'waiting')
  log.info({}, 'connected')
  expect(said).toEqual(['waiting', 'connected', 'waiting', 'connected'])
})

test('while some are refused and some are not, each is said once in ten seconds', async () => {
  const { log, said, pass } = shared()
  for (let second = 0; second < 20; second++) {
    log.warn({}, 'waiting')
    log.info({}, 'connected')
    await pass(1)
  }
  expect(said).toEqual(['waiting', 'connected', 'waiting', 'connected'])
})

test('losses are all said', () => {
  const { log, said } = shared()
  log.error({}, 'dropped')
  log.error({}, 'dropped')
  expect(said).toEqual(['dropped', 'dropped'])
})
