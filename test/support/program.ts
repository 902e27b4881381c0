import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

export type JsonLine = Record<string, unknown>

/** One datapoint as `consume` prints it. */
export interface PrintedDatapoint {
  readonly topic: string
  readonly tags: Readonly<Record<string, string>>
  readonly name: string
  readonly time_ms: number
  readonly value: number | string
}

export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** The built program as a child process, read line by line. */
export interface Program {
  readonly pid: number
  readonly data: readonly PrintedDatapoint[]
  readonly log: readonly JsonLine[]
  /** Everything from stderr as it came, for failures. */
  readonly stderr: readonly string[]
  /** Resolves with the first datapoint, past or to come, that is meant. Rejects when the process ends without. */
  dataWhere(isMeant: (point: PrintedDatapoint) => boolean): Promise<PrintedDatapoint>
  /** The same for a line of the log. */
  logWhere(isMeant: (line: JsonLine) => boolean): Promise<JsonLine>
  /** Resolves once `data` is as it is wanted; it is looked at whenever a line came. */
  dataUntil(isEnough: (data: readonly PrintedDatapoint[]) => boolean): Promise<void>
  readonly ended: Promise<Ending>
  /** SIGTERM unless told otherwise; resolves when the process has ended. */
  stop(signal?: NodeJS.Signals): Promise<Ending>
}

/**
 * Starts `node <cli> ...args` with nothing in the environment but what is given.
 * Whatever still runs at the end of a test is ended by `endPrograms`.
 *
 * @param wrapper a command that runs the command behind it, in its own place (`exec`)
 */
export function startProgram(
  cli: string,
  args: readonly string[],
  env: Record<string, string> = {},
  wrapper: readonly string[] = [],
): Program {
  const [command = '', ...rest] = [...wrapper, process.execPath, cli, ...args]
  const child = spawn(command, rest, {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const ended = new Promise<Ending>((resolve) => {
    child.on('close', (code, signal) => {
      running.delete(child)
      resolve({ code, signal })
    })
  })
  const data = followLines<PrintedDatapoint>(child.stdout, ended)
  const log = followLines<JsonLine>(child.stderr, ended)
  const describe = () => `dcos-stats ${args.join(' ')} ended; stderr:\n${log.texts.slice(-30).join('\n')}`
  return {
    pid: child.pid ?? 0,
    data: data.values,
    log: log.values,
    stderr: log.texts,
    dataWhere: (isMeant) => data.first(isMeant, describe),
    logWhere: (isMeant) => log.first(isMeant, describe),
    dataUntil: (isEnough) => data.until(isEnough, describe),
    ended,
    stop(signal = 'SIGTERM') {
      child.kill(signal)
      return ended
    },
  }
}

const running = new Set<ChildProcess>()

/** For afterEach: no process outlives its test. */
export async function endPrograms(): Promise<void> {
  await Promise.all(
    [...running].map((child) => {
      const closed = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGKILL')
      return closed
    }),
  )
}

function followLines<Value>(stream: Readable, ended: Promise<unknown>) {
  const values: Value[] = []
  const texts: string[] = []
  const watchers = new Set<() => void>()
  let looking: NodeJS.Immediate | undefined
  createInterface({ input: stream }).on('line', (text) => {
    texts.push(text)
    try {
      values.push(JSON.parse(text) as Value)
    } catch {
      // Talk that is not JSON (a usage error) stays in `texts`.
      return
    }
    // Once for all lines of a piece: looking at everything for each line would take quadratic time.
    if (looking !== undefined) return
    looking = setImmediate(() => {
      looking = undefined
      for (const look of [...watchers]) look()
    })
  })

  function until(isEnough: (values: readonly Value[]) => boolean, describe: () => string): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!isEnough(values)) return
        watchers.delete(look)
        resolve()
      }
      watchers.add(look)
      look()
      void ended.then(() => {
        look()
        if (watchers.delete(look)) reject(new Error(describe()))
      })
    })
  }

  async function first(isMeant: (value: Value) => boolean, describe: () => string): Promise<Value> {
    let looked = 0
    let found: Value | undefined
    await until((all) => {
      // Each line is looked at once, however many come.
      while (found === undefined && looked < all.length) {
        const value = all[looked++] as Value
        if (isMeant(value)) found = value
      }
      return found !== undefined
    }, describe)
    return found as Value
  }

  return { values, texts, until, first }
}
