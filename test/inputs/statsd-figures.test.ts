import { createSender, known, received, startStatsdUdp } from '../support/statsd-source.js'

test('an endpoint counts its own datapoints, bytes and drops, and knows whose it is and when the last packet came', async () => {
  const input = startStatsdUdp({ limitKbytes: 1, rules: { malformed: 'drop' } })
  const sender = createSender()
  const loud = await input.source.open({ port: 0, owner: known('loud') })
  const quiet = await input.source.open({ port: 0, owner: { status: 'unknown' } })
  const startedMs = Date.now()

  const good = 'a:1|c\nb:2|g\nbad:x|g'
  const flood = new Array(200).fill('a:1|c').join('\n')
  await sender.send(loud.port, good)
  await received(input, 3)
  await sender.send(loud.port, flood)
  await received(input, 203)
  await sender.send(loud.port, flood)
  await received(input, 403)

  const figures = [...input.source.figures()]
  expect(figures).toEqual([
    {
      key: expect.any(Object),
      frameworkId: 'fw',
      executorId: 'ex',
      containerId: 'loud',
      bytes: good.length + 2 * flood.length,
      datapoints: 403,
      droppedDatapoints: 201,
      lastMs: expect.any(Number),
    },
    {
      key: expect.any(Object),
      containerId: 'unknown_container',
      bytes: 0,
      datapoints: 0,
      droppedDatapoints: 0,
      lastMs: 0,
    },
  ])
  expect(figures[0]?.lastMs).toBeGreaterThanOrEqual(startedMs)
  expect([...input.source.figures()].map(({ key }) => key)).toEqual(figures.map(({ key }) => key))

  await quiet.close()
  expect([...input.source.figures()].map(({ containerId }) => containerId)).toEqual(['loud'])
  await sender.close()
  await input.stop()
})
