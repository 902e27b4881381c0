import type { Complaint } from '../../src/options/mistake.js'
import {
  brokers,
  choice,
  choices,
  directory,
  fileMode,
  flag,
  group,
  hostPort,
  hostPorts,
  integer,
  list,
  listenAddressOrOff,
  moment,
  type Parsed,
  pattern,
  port,
  seconds,
  text,
  url,
} from '../../src/options/option.js'
import { resolveOptions, type Sources } from '../../src/options/resolve.js'
import { StatsError } from '../../src/platform/errors.js'

const rows = group('Test', {
  config: text({ help: 'File.' }),
  'batch-points': integer({ default: 2000, min: 1, max: 9999, help: 'Points.' }),
  'agent-poll-period': seconds({ default: 15, help: 'Period.' }),
  prefix: text({ default: 'metrics-', help: 'Prefix.' }),
  'single-topic': text({ help: 'Topic.' }),
  'create-db': flag({ default: true, help: 'Create.' }),
  bus: choice(['kafka', 'embedded', 'none'], { default: 'kafka', synonyms: { lmdb: 'embedded' }, help: 'Bus.' }),
  kafka: flag({ default: true, shorthand: { option: 'bus', values: { false: 'none' } }, help: 'Kafka.' }),
  'kafka-brokers': brokers({ help: 'Brokers.' }),
  brokers: list({ variables: ['KAFKA_OVERRIDE_BOOTSTRAP_SERVERS'], help: 'Brokers.' }),
  sink: choices(['stdout', 'influx'], { default: ['stdout'], help: 'Sinks.' }),
  'listen-endpoint': hostPort({
    default: '127.0.0.1:8124',
    aliases: ['listen-endpont'],
    variables: ['LISTEN_ENDPONT'],
    help: 'Endpoint.',
  }),
  'isolator-listen': listenAddressOrOff({ default: '127.0.0.1:8127', help: 'Isolator.' }),
  'socket-mode': fileMode({ default: '0660', help: 'Mode.' }),
  'state-dir': directory({ default: '~/state', help: 'State.' }),
  'agent-url': url({ help: 'Agent.' }),
  'topic-pattern': pattern({ default: 'metrics-.*', help: 'Pattern.' }),
  from: moment(['earliest', 'latest'], { default: 'latest', help: 'From.' }),
  'listen-port': port({ help: 'Port.' }),
  password: text({ default: '', secret: true, variables: ['OUTPUT_PASSWORD'], help: 'Password.' }),
  'spool-dir': directory({ notYet: true, help: 'Spool.' }),
  admin: hostPorts({ help: 'Admins.' }),
  connect: flag({ default: false, flagOnly: true, help: 'Connect.' }),
})

interface Given {
  flags?: Record<string, string | boolean | (string | boolean)[]>
  variables?: Record<string, string>
  file?: string
  files?: Record<string, string>
  strays?: string[]
}

function sources({ flags = {}, variables = {}, file, files = {}, strays = [] }: Given): Sources {
  const withConfig = file === undefined ? flags : { config: 'node.yaml', ...flags }
  const all: Record<string, string> = { ...files, ...(file !== undefined && { 'node.yaml': file }) }
  return {
    flags: new Map(Object.entries(withConfig).map(([name, value]) => [name, [value].flat()])),
    strays,
    environment: variables,
    home: '/home/me',
    readFile(path) {
      const content = all[path]
      if (content === undefined) throw new Error(`ENOENT: no such file or directory, open '${path}'`)
      return content
    },
  }
}

async function resolve(given: Given) {
  return (await resolveOptions({ name: 'collector', rows }, sources(given))).options
}

async function refused(given: Given, check?: (options: Parsed<typeof rows>) => readonly Complaint[]) {
  const error = await resolveOptions(
    { name: 'collector', rows, check, variablePrefix: 'KAFKA_OVERRIDE_' },
    sources(given),
  ).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof StatsError)) throw new Error(`Expected a StatsError, got ${String(error)}`)
  const [head, ...mistakes] = error.message.split('\n')
  return {
    head,
    mistakes: mistakes.slice(0, -1).map((line) => line.trim()),
    exitCode: error.exitCode,
    code: error.code,
  }
}

describe('precedence', () => {
  test.each<[rule: string, given: Given, batchPoints: number]>([
    ['the default where nobody says anything', {}, 2000],
    ['the file before the default', { file: 'batch-points: 1' }, 1],
    ['the variable before the file', { variables: { BATCH_POINTS: '2' }, file: 'batch-points: 1' }, 2],
    [
      'the flag before all',
      { flags: { 'batch-points': '3' }, variables: { BATCH_POINTS: '2' }, file: 'batch-points: 1' },
      3,
    ],
    ['an empty variable is no variable', { variables: { BATCH_POINTS: '' }, file: 'batch-points: 1' }, 1],
    ['of a repeated flag the last', { flags: { 'batch-points': ['3', '4'] } }, 4],
    [
      'a wrong variable does not count behind a flag',
      { flags: { 'batch-points': '3' }, variables: { BATCH_POINTS: 'x' } },
      3,
    ],
    ['a key without a value says nothing', { file: 'batch-points:\nprefix: x' }, 2000],
    ['an empty file says nothing', { file: '' }, 2000],
  ])('%s', async (_rule, given, batchPoints) => {
    expect(await resolve(given)).toMatchObject({ batchPoints })
  })

  test.each<[rule: string, given: Given, host: string]>([
    ["the first releases' flag", { flags: { 'listen-endpont': 'a:1' } }, 'a'],
    ["the first releases' variable", { variables: { LISTEN_ENDPONT: 'b:1' } }, 'b'],
    ['the own variable before the older one', { variables: { LISTEN_ENDPONT: 'b:1', LISTEN_ENDPOINT: 'c:1' } }, 'c'],
  ])('%s', async (_rule, given, host) => {
    expect((await resolve(given)).listenEndpoint.host).toBe(host)
  })

  test('the config file may be named by a variable', async () => {
    const given = { variables: { CONFIG: '/etc/x.yaml' }, files: { '/etc/x.yaml': 'prefix: from-file-' } }
    expect((await resolve(given)).prefix).toBe('from-file-')
  })

  test('describes every option with where it came from, secrets masked', async () => {
    const given: Given = {
      flags: { prefix: 'p-' },
      variables: { OUTPUT_PASSWORD: 'hush', AGENT_URL: 'http://agent:5051' },
      file: 'brokers: [a:1, b:2]',
    }
    const { effective } = await resolveOptions({ name: 'collector', rows }, sources(given))
    const byName = Object.fromEntries(effective.map((option) => [option.name, option]))
    expect(byName).toMatchObject({
      prefix: { value: 'p-', origin: { from: 'flag', flag: '--prefix' } },
      password: { value: '******', origin: { from: 'variable', variable: 'OUTPUT_PASSWORD' } },
      'agent-url': { value: 'http://agent:5051' },
      brokers: { value: 'a:1,b:2', origin: { from: 'file', file: 'node.yaml', key: 'brokers' } },
      bus: { value: 'kafka', origin: { from: 'default' } },
      'single-topic': { value: undefined, origin: { from: 'default' } },
    })
    expect(byName).not.toHaveProperty('spool-dir')
    expect(JSON.stringify(effective)).not.toContain('hush')
  })
})

describe('values', () => {
  test.each<[rule: string, name: string, written: string | string[], property: string, value: unknown]>([
    ['a number has decimals where it may', 'agent-poll-period', '0.25', 'agentPollPeriod', 0.25],
    ...['true', 'TRUE', 't', 'Yes', 'y', '1'].map(
      (word) => [`${word} is true`, 'create-db', word, 'createDb', true] as [string, string, string, string, boolean],
    ),
    ...['false', 'False', 'f', 'NO', 'n', '0'].map(
      (word) => [`${word} is false`, 'create-db', word, 'createDb', false] as [string, string, string, string, boolean],
    ),
    ['a choice in any case', 'bus', 'EMBEDDED', 'bus', 'embedded'],
    ['a choice by an older word', 'bus', 'lmdb', 'bus', 'embedded'],
    ['a list is split at commas, without blanks', 'brokers', 'a:1, b:2,', 'brokers', ['a:1', 'b:2']],
    ['a list grows by repeating', 'brokers', ['a:1', 'b:2'], 'brokers', ['a:1', 'b:2']],
    ['a list of choices names each once', 'sink', ['stdout,influx', 'stdout'], 'sink', ['stdout', 'influx']],
    ['an IPv6 address stands in brackets', 'listen-endpoint', '[::1]:80', 'listenEndpoint', { host: '::1', port: 80 }],
    [
      'a list of addresses',
      'admin',
      ['a:1,[::1]:2', 'b:3'],
      'admin',
      [
        { host: 'a', port: 1 },
        { host: '::1', port: 2 },
        { host: 'b', port: 3 },
      ],
    ],
    ['a unix socket', 'isolator-listen', 'unix:/run/x.sock', 'isolatorListen', { kind: 'unix', path: '/run/x.sock' }],
    ['a TCP address', 'isolator-listen', 'h:0', 'isolatorListen', { kind: 'tcp', host: 'h', port: 0 }],
    ['off', 'isolator-listen', 'off', 'isolatorListen', 'off'],
    ['a file mode is octal', 'socket-mode', '600', 'socketMode', 0o600],
    ['~ is the home', 'state-dir', '~/x', 'stateDir', '/home/me/x'],
    ['an address loses its last slash', 'agent-url', 'http://a:5051/', 'agentUrl', 'http://a:5051'],
    ['a pattern matches whole names', 'topic-pattern', 'a|b', 'topicPattern', /^(?:a|b)$/],
    ['a time by its word', 'from', 'Earliest', 'from', 'earliest'],
    ['a time in ISO 8601', 'from', '2024-05-01T12:00:00Z', 'from', { timeMs: 1714564800000 }],
    ['a time in milliseconds', 'from', '1714564800000', 'from', { timeMs: 1714564800000 }],
    ['an empty text is a text where there is a default', 'prefix', '', 'prefix', ''],
    ['an empty value takes back an option without default', 'listen-port', '', 'listenPort', undefined],
  ])('%s', async (_rule, name, written, property, value) => {
    expect(await resolve({ flags: { [name]: written } })).toHaveProperty(property, value)
    expect(await resolve({ file: JSON.stringify({ [name]: written }) })).toHaveProperty(property, value)
  })

  test('a config file has numbers, truths and lists of its own', async () => {
    const file = 'batch-points: 7\ncreate-db: false\nbrokers:\n  - a:1\n  - b:2\nsocket-mode: "0600"\n'
    expect(await resolve({ file })).toMatchObject({
      batchPoints: 7,
      createDb: false,
      brokers: ['a:1', 'b:2'],
      socketMode: 0o600,
    })
  })

  test.each<[rule: string, given: Given, bus: string]>([
    ['--kafka=false is --bus=none', { flags: { kafka: 'f' } }, 'none'],
    ['--no-kafka too', { flags: { kafka: false } }, 'none'],
    ['--kafka says nothing', { flags: { kafka: true, bus: 'embedded' } }, 'embedded'],
    ['KAFKA=false agrees with --bus=none', { flags: { bus: 'none' }, variables: { KAFKA: 'false' } }, 'none'],
  ])('%s', async (_rule, given, bus) => {
    expect((await resolve(given)).bus).toBe(bus)
  })
})

test('a flag alone is no variable, so that a foreign one of its name does no harm', async () => {
  expect(await resolve({ variables: { CONNECT: 'maybe' } })).toMatchObject({ connect: false })
  expect(await resolve({ flags: { connect: true } })).toMatchObject({ connect: true })
})

describe('secrets', () => {
  test.each<[rule: string, given: Given, password: string]>([
    ['by flag', { flags: { password: 'x' } }, 'x'],
    ['by variable', { variables: { PASSWORD: 'x' } }, 'x'],
    ['from a file, without its last newline', { flags: { 'password-file': '/s' }, files: { '/s': 'x\n' } }, 'x'],
    ['from a file named by a variable', { variables: { PASSWORD_FILE: '/s' }, files: { '/s': 'x' } }, 'x'],
    ['from a file named in the config file', { file: 'password-file: /s', files: { '/s': 'x' } }, 'x'],
    [
      'the flag of the file before the variable',
      { flags: { 'password-file': '/s' }, variables: { PASSWORD: 'y' }, files: { '/s': 'x' } },
      'x',
    ],
  ])('%s', async (_rule, given, password) => {
    expect((await resolve(given)).password).toBe(password)
  })
})

describe('mistakes', () => {
  test('are told all at once, each with what was expected, what came, and from where', async () => {
    const given: Given = {
      flags: { 'listen-endpont': 'nowhere', 'bach-points': '1', prefix: true },
      variables: { BATCH_POINTS: '12x', KAFKA_OVERRIDE_BOOTSTRAP_SERVER: 'a:1' },
      file: 'bus: rabbitmq\nlisten_port: 1\nspool-dir: /tmp\nsink: {a: 1}\n',
      strays: ['stray'],
    }
    expect(await refused(given)).toEqual({
      code: 'DS_OPTIONS',
      exitCode: 2,
      head: '10 mistakes in the options',
      mistakes: [
        '"stray" belongs to no option. Options look like --name value.',
        '--bach-points is unknown. Did you mean --batch-points?',
        '--prefix needs a value: expected a text. Write --prefix=TEXT.',
        'KAFKA_OVERRIDE_BOOTSTRAP_SERVER stands for nothing here. Did you mean KAFKA_OVERRIDE_BOOTSTRAP_SERVERS? Unset it.',
        'node.yaml: sink has a value that is neither a text, a number, nor a list of such.',
        'node.yaml: listen_port is unknown. Did you mean listen-port?',
        'node.yaml: spool-dir is not available in this version.',
        '--batch-points: expected a whole number from 1 to 9999, got "12x" from variable BATCH_POINTS. Correct or unset it.',
        '--bus: expected one of kafka, embedded, none, got "rabbitmq" from node.yaml: bus. Correct it.',
        '--listen-endpoint: expected HOST:PORT (an IPv6 address in brackets), got "nowhere" from flag --listen-endpont. Correct it.',
      ],
    })
  })

  test.each<[rule: string, given: Given, mistake: RegExp, exitCode: number]>([
    [
      'an option of a later version, by flag',
      { flags: { 'spool-dir': '/x' } },
      /^--spool-dir is not available in this version\.$/,
      2,
    ],
    [
      'by variable',
      { variables: { SPOOL_DIR: '/x' } },
      /^SPOOL_DIR: --spool-dir is not available in this version\./,
      78,
    ],
    ['by file', { file: 'spool-dir: /x' }, /^node.yaml: spool-dir is not available in this version\.$/, 78],
    ['a number out of range', { flags: { 'listen-port': '65536' } }, /a whole number from 1 to 65535, got "65536"/, 2],
    [
      'a fraction where none may be',
      { variables: { BATCH_POINTS: '1.5' } },
      /got "1.5" from variable BATCH_POINTS/,
      78,
    ],
    ['a truth that is none', { variables: { CREATE_DB: 'maybe' } }, /expected true or false, got "maybe"/, 78],
    ['--no- before an option with a value', { flags: { bus: false } }, /^--bus needs a value: expected one of/, 2],
    ['a secret beside its file', { flags: { password: ['a', 'b'], 'password-file': '/s' } }, /exclude each other/, 2],
    [
      'a secret file that is not there',
      { variables: { PASSWORD_FILE: '/s' } },
      /cannot read \/s \(variable PASSWORD_FILE\): ENOENT/,
      78,
    ],
    ['a config file that is not there', { flags: { config: '/c' } }, /The config file \/c cannot be read: ENOENT/, 78],
    [
      'a config file that is no YAML',
      { file: 'a: [1' },
      /The config file node.yaml is not YAML: .*line 1, column \d+\.$/,
      78,
    ],
    ['a key twice', { file: 'bus: none\nbus: kafka' }, /is not YAML: Map keys must be unique/, 78],
    ['a config file that is a list', { file: '- a' }, /expected `name: value` lines/, 78],
    ['a config file that names another', { file: 'config: x' }, /names another config file/, 78],
    [
      'a shorthand against its option',
      { flags: { kafka: 'no', bus: 'kafka' } },
      /--kafka=no stands for --bus=none, but flag --bus gives "kafka"/,
      2,
    ],
    ['an unknown flag like nothing', { flags: { zzz: true } }, /^--zzz is unknown\.$/, 2],
    [
      'a name of the object itself',
      { flags: { constructor: 'x' }, file: 'toString: 1' },
      /^--constructor is unknown\.$/,
      2,
    ],
    [
      'a pattern that cannot be compiled',
      { flags: { 'topic-pattern': '(' } },
      /expected a regular expression, got "\("/,
      2,
    ],
    [
      'one wrong address among several',
      { flags: { admin: 'a:1,b' } },
      /expected HOST:PORT \(an IPv6 address in brackets\), several separated by commas, got "a:1,b"/,
      2,
    ],
    ...['kafka-0', 'kafka-0:', 'kafka-0:0', 'kafka-0:65536', '[::1]:9092', 'PLAINTEXT://kafka-0:9092'].map(
      (broker) =>
        [
          `${broker} among brokers`,
          { flags: { 'kafka-brokers': `a:1,${broker}` } },
          /^--kafka-brokers: expected HOST:PORT \(a name or an IPv4 address\), several separated by commas, got "a:1,/,
          2,
        ] as [string, Given, RegExp, number],
    ),
    ...['http://me:hush@agent:5051', 'http://hush@agent', 'https://me:hu/sh@agent', 'ftp://me:hush@agent'].map(
      (address) =>
        [
          `a user and a password in ${address}, which is not repeated`,
          { variables: { AGENT_URL: address } },
          /^--agent-url: expected an address .*, without user and password, got "\w+:\/\/\*{6}@agent(:5051)?" from/,
          78,
        ] as [string, Given, RegExp, number],
    ),
    ['a flag alone is no key of the file', { file: 'conect: true' }, /^node.yaml: conect is unknown\.$/, 78],
    ['a long value is cut', { flags: { bus: 'x'.repeat(1000) } }, /got "x{60}\.\.\."/, 2],
  ])('%s', async (_rule, given, mistake, exitCode) => {
    const told = await refused(given)
    expect(told.mistakes[0]).toMatch(mistake)
    expect(told.exitCode).toBe(exitCode)
  })

  test('a required option that nobody gives names flag and variable', async () => {
    const needed = group('Test', { 'output-host': text({ required: true, help: 'Host.' }) })
    const outcome = resolveOptions({ name: 'emit statsd', rows: needed }, sources({}))
    await expect(outcome).rejects.toMatchObject({
      message: expect.stringContaining('--output-host (OUTPUT_HOST) is missing'),
      exitCode: 2,
    })
  })

  test("the command's own rules are told with the rest, but not about options that are faulty anyway", async () => {
    const check = ({ batchPoints, listenPort }: Parsed<typeof rows>) => [
      { options: ['batch-points'], text: `batch-points is ${batchPoints}` },
      { options: ['listen-port'], text: `listen-port is ${listenPort}` },
    ]
    const told = await refused({ flags: { 'listen-port': 'x' }, variables: { BATCH_POINTS: '5' } }, check)
    expect(told.mistakes).toEqual([expect.stringContaining('--listen-port: expected'), 'batch-points is 5'])
  })

  test('a rule about variables alone is wrong configuration', async () => {
    const check = () => [{ options: ['batch-points', 'prefix'], text: 'not both' }]
    expect(await refused({ variables: { BATCH_POINTS: '5' } }, check)).toMatchObject({ exitCode: 78 })
    expect(await refused({ variables: { BATCH_POINTS: '5' }, flags: { prefix: 'x' } }, check)).toMatchObject({
      exitCode: 2,
    })
  })
})
