// Before everything else: see there.
import './platform/young-generation.js'
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import type { Writable } from 'node:stream'
import { isatty } from 'node:tty'
import type { CommandContext, Program } from './commands/command.js'
import { type Invocation, readCommandLine } from './commands/command-line.js'
import { ExitCode, StatsError, systemCodeOf } from './platform/errors.js'
import type { ParentChannel } from './platform/inheritance.js'

/** The one place that reads the command line and the environment, listens to signals, and ends the process. */
const { argv, env, stdout, stderr } = process

const takesOverVariable = 'DCOS_STATS_TAKES_OVER'
const predecessor = channelToPredecessor()
const program: Program = {
  path: process.execPath,
  args: [...process.execArgv, ...argv.slice(1)],
  environment: env,
  takesOver: { [takesOverVariable]: '1' },
}

await main()

async function main(): Promise<void> {
  const version = ownVersion()
  const columns = Math.min(Math.max(stdout.columns ?? 100, 60), 120)
  const invocation = readCommandLine(argv.slice(2), { version, columns, shell: env.SHELL })
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
  const { signal, takeSignals, readerGone } = listenToTheOutside()
  try {
    const readFile = (path: string) => readFileSync(path, 'utf8')
    const prepared = await command.prepare({ flags, strays, environment: env, home: homedir(), readFile })
    const { effective } = prepared
    const context = { ...surroundings(), signal, takeSignals, effective, operands, version, program, predecessor }
    const exitCode = await prepared.run(context)
    return end(typeof exitCode === 'number' ? exitCode : ExitCode.ok)
  } catch (thrown) {
    if (readerGone()) return end(ExitCode.ok)
    const { exitCode, text } = explain(thrown)
    return end(exitCode, stderr, `dcos-stats ${command.name}: ${text}`)
  }
}

/** The first SIGTERM or SIGINT asks the command to drain, the second ends it at once, unless it takes them itself. */
function listenToTheOutside(): Pick<CommandContext, 'signal' | 'takeSignals'> & { readerGone: () => boolean } {
  const stop = new AbortController()
  let asked = false
  const askToStop = (_name: NodeJS.Signals, number: number) => {
    if (asked) process.exit(128 + number)
    asked = true
    stop.abort()
  }
  process.on('SIGTERM', askToStop).on('SIGINT', askToStop)
  // Who was started to take over has a pipe of its watching parent as stdin: without that one it must not live on.
  if (predecessor) process.stdin.on('close', () => askToStop('SIGTERM', 15)).resume()
  let gone = false
  // `dcos-stats consume | head`: whoever read the data has enough, and that is no failure.
  stdout.on('error', (error) => {
    gone = systemCodeOf(error) === 'EPIPE'
    stop.abort()
  })
  // Talk that nobody listens to must not end the work.
  stderr.on('error', () => {})
  return { signal: stop.signal, readerGone: () => gone, takeSignals }

  function takeSignals(names: readonly NodeJS.Signals[], handle: (name: NodeJS.Signals) => void): () => void {
    // The new listener first: without any for a moment, a signal that is on its way to JavaScript would be forgotten.
    for (const name of names) process.on(name, handle).off(name, askToStop)
    return () => {
      for (const name of ['SIGTERM', 'SIGINT'] as const) if (names.includes(name)) process.on(name, askToStop)
      for (const name of names) process.off(name, handle)
    }
  }
}

/** The channel of a process that was started to take over; a parent that is no dcos-stats is none of our business. */
function channelToPredecessor(): ParentChannel | undefined {
  const takesOver = env[takesOverVariable] !== undefined
  delete env[takesOverVariable]
  if (!takesOver || process.send === undefined) return undefined
  return {
    send: (message) => void process.send?.(message),
    onMessage: (callback) => void process.on('message', callback),
    onGone: (callback) => void process.once('disconnect', callback),
  }
}

type Surroundings = Pick<
  CommandContext,
  'stdout' | 'stderr' | `std${'in' | 'out' | 'err'}IsTerminal` | `std${'out' | 'err'}Colour`
>

function surroundings(): Surroundings {
  const colourWanted = (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb'
  const stdoutIsTerminal = stdout.isTTY === true
  const stderrIsTerminal = stderr.isTTY === true
  return {
    stdout,
    stderr,
    // Asking stdin itself would begin to read it, and it may be somebody else's.
    stdinIsTerminal: isatty(0),
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
