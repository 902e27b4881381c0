import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** What a child says, one object a line: see bus-child.js. */
export interface Words {
  readonly open?: number
  readonly acked?: [first: number, count: number]
  readonly failed?: [first: number, count: number]
  readonly got?: number[]
  readonly done?: number
  readonly lag?: number
  readonly atMs?: number
  readonly latencyNs?: number[]
  readonly level?: string
  readonly args?: unknown[]
  readonly code?: string
  readonly exitCode?: number
  readonly message?: string
}

export interface BusProcess {
  readonly child: ChildProcess
  readonly said: Words[]
  /** Resolves when `holds` does for what the child has said; rejects when it ends before. */
  until(holds: (said: readonly Words[]) => boolean): Promise<void>
  /** All numbers it said it got or had acknowledged. */
  numbers(): number[]
  /** @returns how it ended: its exit code, or the signal */
  end(signal?: NodeJS.Signals): Promise<number | string>
}

export type BusRole = 'publish' | 'consume' | 'latency'

const script = fileURLToPath(new URL('./bus-child.js', import.meta.url))

/** @param wrapper program and arguments that start node, such as a shell that sets limits first */
export function startBusProcess(
  home: string,
  dir: string,
  role: BusRole,
  settings: object,
  wrapper: readonly string[] = [],
): BusProcess {
  const [program = '', ...args] = [...wrapper, process.execPath, script, home, dir, role, JSON.stringify(settings)]
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const said: Words[] = []
  const listeners = new Set<() => void>()
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })
  const ended = Promise.all([exited, once(lines, 'close')])
  lines.on('line', (line) => {
    // A killed process can leave half a line.
    if (!line.endsWith('}')) return
    said.push(JSON.parse(line) as Words)
    for (const wake of listeners) wake()
  })
  return {
    child,
    said,
    async until(holds) {
      while (!holds(said)) {
        let wake = () => {}
        const more = new Promise<'more'>((resolve) => {
          wake = () => resolve('more')
          listeners.add(wake)
        })
        const what = await Promise.race([more, ended])
        listeners.delete(wake)
        if (what !== 'more' && !holds(said)) throw new Error(`the process ended: ${JSON.stringify(said.slice(-3))}`)
      }
    },
    numbers: () => said.flatMap(({ got, acked }) => got ?? (acked === undefined ? [] : range(acked))),
    async end(signal = 'SIGTERM') {
      child.kill(signal)
      const [[code, killedBy]] = await ended
      return (code ?? killedBy) as number | string
    },
  }
}

export function range([first, count]: readonly [number, number]): number[] {
  return Array.from({ length: count }, (_, at) => first + at)
}
