import { run } from '../../src/commands/config-show.js'
import { workingCommands } from '../../src/commands/index.js'
import type { FlagValue } from '../../src/options/sources.js'
import { createTextStream } from '../support/text-stream.js'

const consume = workingCommands.find(({ name }) => name === 'consume')!
const configFile = 'format: pretty\noutput-password-file: /secret\n'

async function show(json: boolean): Promise<string> {
  const flags = new Map<string, FlagValue[]>([
    ['bus', ['embedded']],
    ['config', ['node.yaml']],
  ])
  const { effective, peers } = await consume.examine(
    {
      flags,
      strays: [],
      environment: { KAFKA_OVERRIDE_GROUP_ID: 'night', TOKEN: 'hush' },
      home: '/home/me',
      readFile: (path) => (path === 'node.yaml' ? configFile : 'hush'),
    },
    {},
  )
  const stdout = createTextStream()
  await run({ name: 'consume', options: consume.options, effective, peers }, { json }, { stdout })
  return stdout.text()
}

test('a line an option: value and origin', async () => {
  const table = await show(false)
  const lines = Object.fromEntries(table.split('\n').map((line) => [line.split(' ')[0], line.split(/ {2,}/)]))
  expect(lines).toMatchObject({
    option: ['option', 'value', 'from'],
    bus: ['bus', 'embedded', 'flag --bus'],
    'group-id': ['group-id', 'night', 'variable KAFKA_OVERRIDE_GROUP_ID'],
    format: ['format', 'pretty', 'node.yaml: format'],
    token: ['token', '******', 'variable TOKEN'],
    'output-password': ['output-password', '******', 'node.yaml: output-password-file'],
    'kafka-client-id': ['kafka-client-id', 'dcos-stats', 'default'],
  })
  expect(table).not.toContain('hush')
})

test.each([
  ['no value and none worked out', /^output-host +\(none\) +default$/m],
  ['a value that is worked out at run time', /^output-port +\(8086 for influx, 2003 for graphite\) +default$/m],
  ['an empty list', /^framework-names +\(all\) +default$/m],
  ['an empty text', /^output-username +"" +default$/m],
])('%s can be told from others', async (_rule, line) => {
  expect(await show(false)).toMatch(line)
})

test('--json has the same for a script', async () => {
  const items = JSON.parse(await show(true)) as { name: string }[]
  expect(items.map(({ name }) => name)).toEqual(
    Object.keys(consume.options).filter((name) => !consume.options[name]?.notYet),
  )
  expect(items).toEqual(
    expect.arrayContaining([
      { name: 'bus', value: 'embedded', from: 'flag', flag: '--bus' },
      { name: 'format', value: 'pretty', from: 'file', file: 'node.yaml', key: 'format' },
      { name: 'output-host', value: null, from: 'default' },
    ]),
  )
  expect(JSON.stringify(items)).not.toContain('hush')
})
