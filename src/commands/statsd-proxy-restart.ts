import type { ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { EndpointState, InheritedEndpoints } from '../inputs/statsd-state.js'
import type { Parsed } from '../options/option.js'
import type { statsdProxyOptions } from '../options/statsd-proxy.js'
import { systemClock } from '../platform/clock.js'
import { ExitCode, messageOf, StatsError } from '../platform/errors.js'
import { createSuccessor, type Successor } from '../platform/handle-passing.js'
import { type Inheritance, type ParentChannel, receiveInheritance } from '../platform/inheritance.js'
import type { Log } from '../telemetry/log.js'
import type { CommandContext } from './command.js'
import { type Daemon, openLog, runDaemon } from './daemon.js'
import { type ControlSocket, connectedPair, connectTo, openControlSocket } from './statsd-proxy-control.js'
import type { LeftContainer } from './statsd-proxy-leaving.js'
import { startWorker, superviseWorkers } from './statsd-proxy-workers.js'

type Options = Parsed<typeof statsdProxyOptions>

/** What a proxy takes over from the one before it. */
export interface InheritedProxy extends InheritedEndpoints, Pick<Inheritance, 'takeServer' | 'read' | 'closeRest'> {
  readonly containers: readonly LeftContainer[]
}

interface Restartable {
  handOver(successor: Successor): Promise<void>
}

type Work = (
  daemon: Daemon,
  parts: { readonly inherited?: InheritedProxy },
  onRunning: (proxy: Restartable) => void,
) => Promise<void>

const controlName = 'control.sock'
const connectTries = 100
const connectRetryMs = 100

/**
 * Runs a proxy that can be replaced by another process without closing its sockets:
 * - by SIGHUP: it starts this program anew, as it was started, hands over, and stays as the parent that the process's
 *   watchers know: it passes signals on and ends as the new one ends;
 * - by --takeover from outside: the asking process starts a worker of its own, which the running proxy finds over the
 *   control socket in the state directory; the asking one stays as parent, the running one ends.
 *
 * Resolves with the exit code.
 */
export async function runRestartable(options: Options, context: CommandContext, work: Work): Promise<number> {
  const controlPath = join(options.statePathDir, controlName)
  if (options.takeover && context.predecessor === undefined) {
    const running = await connectTo(controlPath)
    const log = await openLog('statsd-proxy', options, context)
    if (running) return supervise(startWorker(context.program, running), controlPath, context, log)
    log.warn({ stateDir: options.statePathDir }, 'no statsd-proxy is running to take over from: starting anew')
  }
  return runWorker(options, context, controlPath, work)
}

async function runWorker(options: Options, context: CommandContext, controlPath: string, work: Work): Promise<number> {
  const restart = createRestart(context)
  await runDaemon('statsd-proxy', options, context, async (daemon) => {
    const inherited = context.predecessor && (await inherit(context.predecessor, daemon.log))
    // Where the other process has failed, its sockets may still be here; whether it lives, the control socket tells.
    if (!inherited?.complete) await refuseBesideAnother(controlPath, options.statePathDir)
    let control: ControlSocket | undefined
    try {
      await work(daemon, inherited ? { inherited } : {}, (proxy) => {
        control = restart.listen(proxy, controlPath, daemon.log)
      })
    } finally {
      await control?.close()
    }
  })
  const child = restart.worker()
  if (child === undefined) return ExitCode.ok
  return supervise(child, controlPath, context, await openLog('statsd-proxy', options, context), restart.release)
}

/** Waits for those who want to take over, and for SIGHUP. */
function createRestart({ program, predecessor, takeSignals }: CommandContext) {
  // One that comes before there is anything to hand over is heeded as soon as there is.
  let hungUpEarly = false
  let onHangup = (): void => {
    hungUpEarly = true
  }
  let worker: ChildProcess | undefined
  let busy = false
  const release = takeSignals(['SIGHUP'], () => onHangup())

  return {
    release,
    /** The process that this one has started and that has taken over. */
    worker: () => worker,

    listen(proxy: Restartable, controlPath: string, log: Log): ControlSocket {
      const handOver = async (successor: Successor): Promise<boolean> => {
        if (busy) {
          successor.abandon()
          log.warn('two processes want to take over at once: the second one has to ask again')
          return false
        }
        busy = true
        try {
          await proxy.handOver(successor)
          return true
        } catch (cause) {
          busy = false
          log.warn({ cause: messageOf(cause) }, 'no other process took over: this one goes on')
          return false
        }
      }
      onHangup = () => {
        if (predecessor) log.info('SIGHUP is for the parent process, which starts another one in place of this one')
        else void restartItself().catch((cause) => log.error({ cause: messageOf(cause) }, 'SIGHUP had no effect'))
      }
      if (hungUpEarly) onHangup()
      return openControlSocket(controlPath, (connection) => void handOver(createSuccessor(connection)), log)

      async function restartItself(): Promise<void> {
        log.info('SIGHUP: starting a process to take over from this one')
        const [near, far] = await connectedPair()
        const child = startWorker(program, far)
        // Kept before the handover ends, because the proxy may have ended by then.
        const before = worker
        worker = child
        if (!(await handOver(createSuccessor(near)))) worker = before
      }
    },
  }
}

function supervise(
  first: ChildProcess,
  controlPath: string,
  { program, signal, takeSignals }: CommandContext,
  log: Log,
  release: () => void = () => {},
): Promise<number> {
  release()
  const startNext = async () => {
    const running = await connectPatiently(controlPath)
    if (running === undefined) {
      throw new StatsError(
        'DS_HANDOVER',
        `The running process does not answer at ${controlPath}. Restart it as a whole.`,
      )
    }
    return startWorker(program, running)
  }
  return superviseWorkers({ first, startNext, signal, takeSignals, log })
}

/** Who has just taken over may not listen yet. */
async function connectPatiently(path: string): Promise<Socket | undefined> {
  for (let tries = 1; tries < connectTries; tries++) {
    const connection = await connectTo(path)
    if (connection) return connection
    await systemClock.sleep(connectRetryMs)
  }
  return connectTo(path)
}

async function inherit(channel: ParentChannel, log: Log): Promise<InheritedProxy & { readonly complete: boolean }> {
  const inheritance = receiveInheritance(channel)
  try {
    const { containers, endpoints } = (await inheritance.state) as {
      containers: LeftContainer[]
      endpoints: EndpointState[]
    }
    log.info({ containers: containers.length }, 'taking over from the running process')
    return { ...inheritance, containers, takeState: takingFrom(endpoints), complete: true }
  } catch (cause) {
    log.warn({ cause: messageOf(cause) }, 'starting anew')
    return { ...inheritance, containers: [], takeState: () => undefined, complete: false }
  }
}

function takingFrom(states: readonly EndpointState[]): InheritedEndpoints['takeState'] {
  const byAddress = new Map(states.map((state) => [`${state.host} ${state.port}`, state]))
  return (host, port) => {
    const state = byAddress.get(`${host} ${port}`)
    byAddress.delete(`${host} ${port}`)
    return state
  }
}

async function refuseBesideAnother(controlPath: string, stateDir: string): Promise<void> {
  const running = await connectTo(controlPath)
  if (running === undefined) return
  running.destroy()
  throw new StatsError(
    'DS_ALREADY_RUNNING',
    `A statsd-proxy already works with the state directory ${stateDir}. Take over from it by --takeover, or give ` +
      'this one another --state-path-dir.',
    { exitCode: ExitCode.unavailable },
  )
}
