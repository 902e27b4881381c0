import { spawnSync } from 'node:child_process'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { completionScript, shells } from '../../src/commands/completion.js'
import { completionOffers } from '../../src/commands/completion-offers.js'
import { fishCompletion } from '../../src/commands/fish-completion.js'
import { workingCommands } from '../../src/commands/index.js'
import { choices, directory, file, flag, group, hostPort, moment, text } from '../../src/options/option.js'
import { shownRows } from '../../src/options/render.js'
import { type BuiltCli, buildCli } from '../support/built-cli.js'

const fish = completionScript('fish').split('\n')

describe('what may stand where the cursor is', () => {
  test.each<[rule: string, typed: string, offered: string[]]>([
    ['commands', 'co', ['collector', 'consume', 'config', 'completion']],
    ['words of a command', 'emit ', ['statsd', 'avro']],
    ['words of a command about commands', 'config show em', ['emit']],
    ['the one flag that begins so', 'collector --listen', ['--listen-endpoint']],
    ['flags, where no word can follow', 'emit avro --bl', ['--block-size', '--block-tick-ms']],
    ['flags of the command that a group alone stands for', 'emit --lines', ['--lines-per-packet']],
    ['and not of its others', 'emit --block-', []],
    [
      'the flags of validate, and those of its command',
      'validate emit --co',
      ['--connect', '--connect-timeout-ms', '--containers', '--count', '--config'],
    ],
    ['flags behind two words', 'validate collector --conn', ['--connect', '--connect-timeout-ms']],
    ['the file of a secret', 'audit --admin-tok', ['--admin-token', '--admin-token-file']],
    ['values, where there are few', 'top --show ', ['containers', 'frameworks', 'names']],
    ['values behind an equals sign', 'top --show=na', ['--show=names']],
    ['values behind an equals sign, as bash takes it apart', 'top --show = na', ['names']],
    ['and when nothing stands behind it', 'top --show =', ['containers', 'frameworks', 'names']],
    ['values of a list', 'consume --sink gr', ['graphite']],
    ['words for a moment', 'consume --from e', ['earliest']],
    ['nothing where any text may stand', 'top --search ', []],
    ['nothing where a file may stand', 'audit --admin-token-file ', []],
    ['flags again behind a flag without a value', 'top --once --js', ['--json']],
    ['nothing behind --, for that is of another program', 'statsd-proxy exec -- --con', []],
    ['shells', 'completion ', ['bash', 'zsh', 'fish']],
    ['nothing behind a word that is none', 'frobnicate x', []],
    ['help and version', '--', ['--help', '--version']],
  ])('%s: %s', (_rule, typed, offered) => {
    expect(completionOffers(typed.split(' ')).map(({ word }) => word)).toEqual(offered)
  })

  test('each comes with what it does', () => {
    expect(completionOffers(['emit', 'avro', '--agents'])).toEqual([
      { word: '--agents', does: expect.stringMatching(/^Simulated nodes/) },
    ])
    expect(completionOffers(['emi'])).toEqual([
      { word: 'emit', does: 'Sends sample metrics: statsd (the usual) or avro.' },
    ])
  })
})

describe('the script for fish', () => {
  const options = group('Test', {
    bus: flag({ default: true, help: "It's a \\ flag." }),
    form: moment(['earliest', 'latest'], { help: 'Moment.' }),
    sink: choices(['stdout', 'influx'], { default: [], help: 'Sinks.' }),
    state: directory({ help: 'State.' }),
    config: file({ help: 'File.' }),
    password: text({ secret: true, help: 'Secret.' }),
    endpoint: hostPort({ help: 'Endpoint.' }),
    later: text({ notYet: true, help: 'Later.' }),
  })
  const offer = (...names: string[]) => {
    const commands = names.map((name) => ({ name, summary: `Does ${name}.`, examples: [], options }))
    return fishCompletion({
      commands,
      workingCommands: commands,
      groups: { emit: { summary: 'Sends.', usual: 'emit statsd' } },
    }).split('\n')
  }

  test.each<[rule: string, line: string]>([
    ['a flag needs no value', `-l bus -d 'It\\'s a \\\\ flag.'`],
    ['words for a moment', `-l form -x -a 'earliest latest' -d 'Moment.'`],
    ['words of a list', `-l sink -x -a 'stdout influx' -d 'Sinks.'`],
    ['a directory', `-l state -x -a '(__fish_complete_directories)' -d 'State.'`],
    ['a file', `-l config -rF -d 'File.'`],
    ['a secret', `-l password -x -d 'Secret.'`],
    ['and its file', `-l password-file -rF -d 'Secret.'`],
    ['any other value', `-l endpoint -x -d 'Endpoint.'`],
  ])('%s', (_rule, line) => {
    expect(offer('emit avro')).toContain(`complete -c dcos-stats -n '__dcos_stats_in emit avro' ${line}`)
  })

  test('what is not in this version is not offered', () => {
    expect(offer('emit avro').filter((line) => line.includes('-l later'))).toEqual([])
  })

  test('words come where they may stand', () => {
    expect(offer('emit avro')).toEqual(
      expect.arrayContaining([
        `complete -c dcos-stats -n '__dcos_stats_at' -a emit -d 'Sends.'`,
        `complete -c dcos-stats -n '__dcos_stats_at emit' -a avro -d 'Does emit avro.'`,
        `complete -c dcos-stats -n '__dcos_stats_at completion' -a fish`,
      ]),
    )
  })

  test('a command that begins as another does has its own flags', () => {
    const lines = offer('proxy', 'proxy exec')
    expect(lines).toContain(
      `complete -c dcos-stats -n '__dcos_stats_in proxy; and not __dcos_stats_in proxy exec' -l config -rF -d 'File.'`,
    )
    expect(lines).toContain(`complete -c dcos-stats -n '__dcos_stats_at' -a proxy -d 'Does proxy.'`)
  })

  test('a group alone has the flags of its usual command', () => {
    expect(offer('emit statsd', 'emit avro')).toContain(
      `complete -c dcos-stats -n '__dcos_stats_in emit; and not __dcos_stats_in emit avro' -l config -rF -d 'File.'`,
    )
  })

  test.each(
    workingCommands.map(({ name, options }) => [name, options] as const),
  )('has every option of %s', (name, options) => {
    const typed = name === 'emit statsd' ? 'emit;' : name
    const lines = fish.filter((line) => line.includes(`'__dcos_stats_in ${typed}`))
    const offered = lines.map((line) => / -l (\S+)/.exec(line)?.[1])
    const wanted = shownRows(options).flatMap(([option, { secret }]) =>
      secret ? [option, `${option}-file`] : [option],
    )
    expect(offered).toEqual(expect.arrayContaining(wanted))
  })
})

describe('in a real shell', () => {
  let cli: BuiltCli
  beforeAll(async () => {
    cli = await buildCli()
    const program = join(cli.home, 'dcos-stats')
    await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${cli.path}' "$@"\n`)
    await chmod(program, 0o755)
    for (const shell of shells) await writeFile(join(cli.home, `completion.${shell}`), completionScript(shell))
    await writeFile(join(cli.home, 'types.zsh'), zshThatTypes)
  }, 120_000)
  afterAll(() => cli.remove())

  const lines: [typed: string, offered: string[]][] = [
    ['coll', ['collector']],
    ['emit a', ['avro']],
    ['emit avro --block-t', ['--block-tick-ms']],
    ['emit --lines', ['--lines-per-packet']],
    ['validate col', ['collector']],
    ['validate collector --connect-', ['--connect-timeout-ms']],
    ['config ', ['show']],
    ['config show emit avro --block-t', ['--block-tick-ms']],
    ['consume --sink gr', ['graphite']],
    ['completion f', ['fish']],
  ]

  function shell(program: string, args: readonly string[]): string[] {
    const { stdout } = spawnSync(program, args, {
      encoding: 'utf8',
      cwd: cli.home,
      env: { ...process.env, PATH: `${cli.home}:${process.env.PATH}`, HOME: cli.home },
      timeout: 60_000,
    })
    return stdout.split('\n').filter(Boolean)
  }

  const has = (program: string) => spawnSync(program, ['--version']).status === 0
  const [ifFish, ifZsh] = [has('fish') ? test : test.skip, has('zsh') ? test : test.skip]

  test.each(lines)('bash: dcos-stats %s<tab> offers %j', (typed, offered) => {
    const words = typed.split(' ')
    const script = `source completion.bash; COMP_WORDS=("$@"); COMP_CWORD=${words.length}; _dcos_stats dcos-stats; printf '%s\\n' "\${COMPREPLY[@]}"`
    expect(shell('bash', ['--norc', '-c', script, 'bash', 'dcos-stats', ...words])).toEqual(offered)
  })

  ifFish.each(lines)('fish: dcos-stats %s<tab> offers %j', (typed, offered) => {
    const found = shell('fish', ['--no-config', '-c', `source completion.fish; complete -C 'dcos-stats ${typed}'`])
    expect(found.map((line) => line.split('\t')[0])).toEqual(offered)
  })

  ifZsh(
    'zsh: the tab key ends each of these lines',
    () => {
      const typed = lines.map(([line]) => `dcos-stats ${line}`)
      const wanted = lines.map(([line, [word]]) => ['dcos-stats', ...line.split(' ').slice(0, -1), word, ''].join(' '))
      expect(shell('zsh', ['-f', 'types.zsh', ...typed])).toEqual(wanted)
    },
    120_000,
  )
})

/** Types each argument and the tab key into a zsh on a terminal, and prints what then stands on its line. */
const zshThatTypes = `zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'told() { print -r -- "$BUFFER" >> told; BUFFER=; }; zle -N told; bindkey "^T" told; bindkey "^I" complete-word'
zpty -w z 'autoload -Uz compinit; compinit -u -D; source completion.zsh; : > told; : > ready'
until [[ -e ready ]] { sleep 0.05; zpty -rt z screen }
for line in "$@"; do
  before=$(wc -l < told)
  zpty -wn z "$line"$'\\t\\x14'
  until (( $(wc -l < told) > before )) { sleep 0.05; zpty -rt z screen }
done
cat told
`
