import { readCommandLine } from '../../src/commands/command-line.js'
import { commands, workingCommands } from '../../src/commands/index.js'

const looks = { version: '1.2.3', columns: 100 }

function read(line: string) {
  return readCommandLine(line.split(' ').filter(Boolean), looks)
}

function understood(line: string) {
  const invocation = read(line)
  if (invocation.asks !== 'command') throw new Error(`Expected a command, got ${invocation.text}`)
  const { command, flags, strays, operands } = invocation
  return { name: command.name, flags: Object.fromEntries(flags), strays, operands }
}

/** Reads the options of a line as the program would, in the environment that an emitter has in a container. */
function prepared(line: string) {
  const invocation = read(line)
  if (invocation.asks !== 'command') throw new Error(`Expected a command, got ${invocation.text}`)
  const environment = { STATSD_UDP_HOST: '127.0.0.1', STATSD_UDP_PORT: '8125' }
  return invocation.command.prepare({ ...invocation, environment, home: '/home/me', readFile: () => '' })
}

describe('commands', () => {
  test.each<[line: string, name: string]>([
    ['statsd-proxy', 'statsd-proxy'],
    ['collector --bus none', 'collector'],
    ['consume', 'consume'],
    ['emit statsd', 'emit statsd'],
    ['emit', 'emit statsd'],
    ['emit --count 3', 'emit statsd'],
    ['emit avro', 'emit avro'],
    ['local-stack', 'local-stack'],
    ['--log-level debug collector', 'collector'],
    ['validate collector', 'validate collector'],
    ['validate emit avro --count 3', 'validate emit avro'],
    ['validate emit --count 3', 'validate emit statsd'],
    ['config show local-stack', 'config show local-stack'],
    ['config show emit', 'config show emit statsd'],
  ])('%s is %s', (line, name) => {
    expect(understood(line).name).toBe(name)
  })

  test.each<[line: string, text: RegExp]>([
    ['colector', /^dcos-stats: "colector" is no command\. Did you mean collector\?/],
    ['emit avr', /"emit avr" is no command\. Did you mean emit avro\?/],
    ['frobnicate --sink stdout', /"frobnicate" is no command\. See 'dcos-stats --help'\.$/],
    ['', /^dcos-stats <command> \[options\]/],
    ['--bus none', /^dcos-stats <command> \[options\]/],
    ['validate', /^dcos-stats validate <command> \[options\][\s\S]*dcos-stats validate collector /],
    ['config', /^dcos-stats config <command> \[options\][\s\S]*dcos-stats config show /],
    ['config show --json', /^dcos-stats config show <command> \[options\]/],
    ['validate colector', /"validate colector" is no command\. Did you mean validate collector\?/],
    ['validate emit avr', /"validate emit avr" is no command\. Did you mean validate emit avro\?/],
    ['config shw collector', /"config shw" is no command\. Did you mean config show\?/],
    ['emit constructor', /"emit constructor" is no command\. See/],
  ])('"%s" is misuse, with advice', (line, text) => {
    expect(read(line)).toEqual({ asks: 'misuse', text: expect.stringMatching(text) })
  })
})

describe('flags', () => {
  test.each<[rule: string, line: string, flags: Record<string, unknown[]>]>([
    ['two dashes and a blank', '--kafka-brokers a:1', { 'kafka-brokers': ['a:1'] }],
    ['two dashes and an equals sign', '--kafka-brokers=a:1', { 'kafka-brokers': ['a:1'] }],
    ["Go's one dash and a blank", '-kafka-brokers a:1', { 'kafka-brokers': ['a:1'] }],
    ["Go's one dash and an equals sign", '-kafka=false', { kafka: ['false'] }],
    ["Go's truths", '-agent-polling=F', { 'agent-polling': ['F'] }],
    ['a flag alone', '-record-input-log --bus none', { 'record-input-log': [true], bus: ['none'] }],
    ['a flag switched off', '--no-kafka', { kafka: [false] }],
    ['a value with an equals sign', '--prefix=a=b', { prefix: ['a=b'] }],
    ['an empty value', '--kafka-topic-prefix=', { 'kafka-topic-prefix': [''] }],
    ['a value that begins with a dash', '--kafka-topic-prefix=-x', { 'kafka-topic-prefix': ['-x'] }],
    ['a missing value', '--kafka-topic-prefix --bus none', { 'kafka-topic-prefix': [true], bus: ['none'] }],
    ['numbers stay texts', '--count 1e3 --port 007', { count: ['1e3'], port: ['007'] }],
    ['dots in a name stay', '--a.b c', { 'a.b': ['c'] }],
    ['repeated', '--sink stdout --sink influx', { sink: ['stdout', 'influx'] }],
    ['unknown ones are kept, for resolve to tell', '--zzz 1', { zzz: ['1'] }],
  ])('%s: %s', (_rule, line, flags) => {
    expect(understood(`collector ${line}`)).toEqual({ name: 'collector', flags, strays: [], operands: [] })
  })

  test('what belongs to no flag is kept, and what stands behind -- is not looked at', () => {
    expect(understood('emit avro --count 3 x -- --topic y 5')).toEqual({
      name: 'emit avro',
      flags: { count: ['3'] },
      strays: ['x'],
      operands: ['--topic', 'y', '5'],
    })
  })
})

describe('help', () => {
  const about = ['validate', 'validate emit avro', 'config', 'config show', 'config show emit avro']
  test.each(['', 'emit', ...workingCommands.map(({ name }) => name), ...about])('of "%s"', (name) => {
    const help = read(`${name} --help`)
    expect(help.asks).toBe('text')
    expect('text' in help && help.text).toMatchSnapshot()
  })

  test('-h asks for it, too', () => {
    expect(read('collector -h')).toEqual(read('collector --help'))
  })

  test.each(
    commands.map((command) => [command.name, command] as const),
  )('of "%s" has examples that are right, and the exit codes', async (name, { examples }) => {
    expect(examples.length).toBeGreaterThan(1)
    for (const { line } of examples) {
      expect(understood(line).name).toBe(name)
      await expect(prepared(line)).resolves.toHaveProperty('effective')
    }
    expect(read(`${name} --help`)).toHaveProperty('text', expect.stringMatching(/\nExit codes:\n {2}0 /))
  })

  test('does not name what is not in this version', () => {
    const shown = commands.flatMap(({ name, options }) => {
      const help = JSON.stringify(read(`${name} --help`))
      const unready = Object.keys(options).filter((option) => options[option]?.notYet)
      return unready.filter((option) => help.includes(`--${option} `)).map((option) => `${name} --${option}`)
    })
    expect(shown).toEqual([])
  })
})

test('--version', () => {
  expect(read('--version')).toEqual({ asks: 'text', text: '1.2.3' })
})

describe('completion', () => {
  test.each<[shell: string | undefined, line: string, text: RegExp]>([
    [undefined, 'completion bash', /^# .* for bash/],
    [undefined, 'completion zsh', /^#compdef dcos-stats\n/],
    ['/bin/bash', 'completion fish', /^# .* for fish/],
    ['/usr/bin/fish', 'completion', /^# .* for fish/],
    ['/usr/bin/zsh', 'completion', /^#compdef/],
    ['/bin/sh', 'completion', /^# .* for bash/],
    [undefined, 'completion', /^# .* for bash/],
    [undefined, 'completion --help', /^dcos-stats completion \[bash\|zsh\|fish\]\n[\s\S]*Exit codes:/],
  ])('where SHELL is %s, "%s" prints a script', (shell, line, text) => {
    const answer = readCommandLine(line.split(' '), { ...looks, shell })
    expect(answer).toEqual({ asks: 'text', text: expect.stringMatching(text) })
  })

  test('for a shell that is unknown there is none', () => {
    const text = 'dcos-stats: no completion for "tcsh". There is one for bash, zsh, fish.'
    expect(read('completion tcsh')).toEqual({ asks: 'misuse', text })
  })
})
