import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { constants } from 'node:os'
import { messageOf } from '../platform/errors.js'
import type { Log } from '../telemetry/log.js'
import type { CommandContext, Program } from './command.js'

/**
 * Starts this program so that it takes over. It ends when this process ends, by the pipe that it has as stdin; Ctrl-C in a
 * terminal reaches only this process, which passes it on.
 *
 * @param connection to the running process; it belongs to the new one from now on
 */
export function startWorker({ path, args, environment, takesOver }: Program, connection: Socket): ChildProcess {
  const worker = spawn(path, args, {
    stdio: ['pipe', 'inherit', 'inherit', connection],
    env: { ...environment, ...takesOver, NODE_CHANNEL_FD: '3', NODE_CHANNEL_SERIALIZATION_MODE: 'json' },
    detached: true,
  })
  worker.stdin?.on('error', () => {})
  worker.on('error', () => {})
  connection.on('error', () => {}).destroy()
  return worker
}

const watching = 'the work is done by another process from now on; this one watches it'

/**
 * Is the process that others watch, while a worker does the work: passes SIGTERM and SIGINT on, and at SIGHUP starts a worker
 * that takes over from the one before. Resolves with the exit code of the last one.
 */
export function superviseWorkers({
  first,
  startNext,
  signal,
  takeSignals,
  log,
}: {
  first: ChildProcess
  startNext: () => Promise<ChildProcess>
  log: Log
} & Pick<CommandContext, 'signal' | 'takeSignals'>): Promise<number> {
  return new Promise((resolve) => {
    let current = first
    let next: ChildProcess | undefined
    let starting = false
    const releases = [
      takeSignals(['SIGTERM', 'SIGINT'], (name) => {
        next?.kill(name)
        current.kill(name)
      }),
      takeSignals(['SIGHUP'], () => void restart()),
    ]
    // Whoever asked this process to end before meant the work.
    if (signal.aborted) current.kill('SIGTERM')
    log.info({ pid: current.pid }, watching)
    watch(current)

    async function restart(): Promise<void> {
      if (starting || next) return log.warn('SIGHUP: a process is being started already')
      starting = true
      try {
        next = await startNext()
        log.info({ running: current.pid, next: next.pid }, 'SIGHUP: started a process to take over')
        watch(next)
      } catch (cause) {
        log.error({ cause: messageOf(cause) }, 'SIGHUP had no effect')
      }
      starting = false
    }

    function watch(worker: ChildProcess): void {
      if (worker.exitCode !== null || worker.signalCode !== null) ended(worker)
      else worker.once('exit', () => ended(worker)).once('error', () => ended(worker))
    }

    function ended(worker: ChildProcess): void {
      if (worker === next) {
        next = undefined
        log.error({ pid: worker.pid, exitCode: exitCodeOf(worker) }, 'a process that was to take over has failed')
      } else if (next) {
        current = next
        next = undefined
        log.info({ pid: current.pid }, watching)
      } else {
        for (const release of releases) release()
        resolve(exitCodeOf(worker))
      }
    }
  })
}

/** As a shell has it: 128+n where signal n ended it. */
export function exitCodeOf({ exitCode, signalCode }: ChildProcess): number {
  return signalCode === null ? (exitCode ?? 1) : 128 + (constants.signals[signalCode] ?? 0)
}
