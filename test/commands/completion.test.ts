import { spawnSync } from 'node:child_process'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { completionScript } from '../../src/commands/completion.js'
import { fishCompletion } from '../../src/commands/fish-completion.js'
import { workingCommands } from '../../src/commands/index.js'
import { choices, directory, file, flag, group, hostPort, moment, text } from '../../src/options/option.js'
import { shownRows } from '../../src/options/render.js'
import { type BuiltCli, buildCli } from '../support/built-cli.js'

const fish = completionScript('fish').split('\n')

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
    return fishCompletion({ commands, workingCommands: commands, groups: { emit: { summary: 'Sends.' } } }).split('\n')
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

  test.each(
    workingCommands.map(({ name, options }) => [name, options] as const),
  )('has every option of %s', (name, options) => {
    const lines = fish.filter((line) => line.includes(`'__dcos_stats_in ${name}`))
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
    for (const shell of ['bash', 'fish'] as const) {
      await writeFile(join(cli.home, `completion.${shell}`), completionScript(shell))
    }
  }, 120_000)
  afterAll(() => cli.remove())

  const lines: [typed: string, offered: string[]][] = [
    ['coll', ['collector']],
    ['emit a', ['avro']],
    ['emit avro --block-t', ['--block-tick-ms']],
    ['validate col', ['collector']],
    ['validate collector --connect-', ['--connect-timeout-ms']],
    ['config ', ['show']],
    ['config show emit avro --block-t', ['--block-tick-ms']],
  ]

  function shell(program: string, args: readonly string[]): string[] {
    const { stdout } = spawnSync(program, args, {
      encoding: 'utf8',
      cwd: cli.home,
      env: { ...process.env, PATH: `${cli.home}:${process.env.PATH}`, HOME: cli.home },
    })
    return stdout.split('\n').filter(Boolean)
  }

  test.each(lines)('bash: dcos-stats %s<tab> offers %j', (typed, offered) => {
    const words = typed.split(' ')
    const script = `source completion.bash; COMP_WORDS=("$@"); COMP_CWORD=${words.length}; _dcos_stats; printf '%s\\n' "\${COMPREPLY[@]}"`
    expect(shell('bash', ['--norc', '-c', script, 'bash', 'dcos-stats', ...words])).toEqual(offered)
  })

  const hasFish = spawnSync('fish', ['--version']).status === 0
  const ifFish = hasFish ? test : test.skip
  ifFish.each(lines)('fish: dcos-stats %s<tab> offers %j', (typed, offered) => {
    const found = shell('fish', ['--no-config', '-c', `source completion.fish; complete -C 'dcos-stats ${typed}'`])
    expect(found.map((line) => line.split('\t')[0])).toEqual(offered)
  })
})
