import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import type { Writable } from 'node:stream'
import type { CommandContext } from './commands/command.js'
import { type Invocation, readCommandLine } from './commands/command-line.js'
import { ExitCode, StatsError, systemCodeOf } from './platform/errors.js'

/** The one place that reads the command line and the environment, listens to signals, and ends the process. */
const { argv, env, stdout, stderr } = process

await main()

async function main(): Promise<void> {
  const version = ownVersion()
  const columns = Math.min(Math.max(stdout.columns ?? 100, 60), 120)
  const invocation = readCommandLine(argv.slice(2), { version, columns })
  switch (invocation.asks) {
    case 'text':
      return end(ExitCode.ok, stdout, invocation.text)
    case 'misuse':
      return end(ExitCode.usage, stderr, invocation.text)
    case 'command':
      return runCommand(invocation, version)
  }
}

async function runCommand(
  { command, flags, strays, operands }: Extract<Invocation, { asks: 'command' }>,
  version: string,
): Promise<void> {
  const { signal, readerGone } = listenToTheOutside()
  try {
    const readFile = (path: string) => readFileSync(path, 'utf8')
    const prepared = await command.prepare({ flags, strays, environment: env, home: homedir(), readFile })
    await prepared.run({ ...surroundings(), signal, effective: prepared.effective, operands, version })
    return end(ExitCode.ok)
  } catch (thrown) {
    if (readerGone()) return end(ExitCode.ok)
    const { exitCode, text } = explain(thrown)
    return end(exitCode, stderr, `dcos-stats ${command.name}: ${text}`)
  }
}

/** The first SIGTERM or SIGINT asks the command to drain, the second ends it at once. */
function listenToTheOutside(): { signal: AbortSignal; readerGone: () => boolean } {
  const stop = new AbortController()
  let asked = false
  for (const [name, number] of [
    ['SIGTERM', 15],
    ['SIGINT', 2],
  ] as const) {
    process.on(name, () => {
      if (asked) process.exit(128 + number)
      asked = true
      stop.abort()
    })
  }
  let gone = false
  // `dcos-stats consume | head`: whoever read the data has enough, and that is no failure.
  stdout.on('error', (error) => {
    gone = systemCodeOf(error) === 'EPIPE'
    stop.abort()
  })
  // Talk that nobody listens to must not end the work.
  stderr.on('error', () => {})
  return { signal: stop.signal, readerGone: () => gone }
}

function surroundings(): Omit<CommandContext, 'signal' | 'effective' | 'operands' | 'version'> {
  const colourWanted = (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb'
  const stdoutIsTerminal = stdout.isTTY === true
  const stderrIsTerminal = stderr.isTTY === true
  return {
    stdout,
    stderr,
    stdoutIsTerminal,
    stderrIsTerminal,
    stdoutColour: stdoutIsTerminal && colourWanted,
    stderrColour: stderrIsTerminal && colourWanted,
  }
}

/** A StatsError is meant for the user as it is; anything else is a fault of this program, so its stack is shown. */
function explain(thrown: unknown): { exitCode: number; text: string } {
  if (thrown instanceof StatsError) {
    return { exitCode: thrown.exitCode ?? ExitCode.failure, text: thrown.message }
  }
  const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
  return { exitCode: ExitCode.failure, text }
}

function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return version
}

/** Says the last word and exits once it is written: what still holds the event loop has had its time to drain. */
async function end(exitCode: number, stream?: Writable, text?: string): Promise<void> {
  if (stream && text !== undefined) await new Promise<void>((written) => stream.write(`${text}\n`, () => written()))
  process.exit(exitCode)
}
