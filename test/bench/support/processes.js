import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { cpuMsOf } from './usage.js'

const cores = availableParallelism()
const canPin = cores > 1 && spawnSync('taskset', ['-V'], { stdio: 'ignore' }).status === 0

/** Cores for who is measured, and for who only feeds it or takes from it: apart, where there are several. */
export const core = { measured: 0, others: cores - 1 }
export const pinning = canPin ? `measured on core ${core.measured}, all others on core ${core.others}` : 'not pinned'

/** For the product's processes, such as `--cpu-prof`. */
const nodeFlags = []

/** Gives the product's processes flags of Node, from now on. */
export function addNodeFlags(flags) {
  nodeFlags.push(...flags)
}

const running = new Set()

/** Ends what still runs: nothing may outlive the bench. */
export function endAll() {
  for (const child of running) child.kill('SIGKILL')
}

/**
 * Starts a program on a core. Its end is an error unless `end` was called.
 *
 * @param {string[]} command
 * @param {{ core?: number, stdio?: import('node:child_process').StdioOptions, env?: Record<string, string>, cwd?: string }} options
 */
export function startProcess(command, { core, stdio = ['ignore', 'ignore', 'pipe'], env = {}, cwd }) {
  const [program, ...args] = canPin && core !== undefined ? ['taskset', '-c', String(core), ...command] : command
  const child = spawn(program, args, { stdio, cwd, env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env } })
  running.add(child)
  const ended = once(child, 'close').then(([code, signal]) => {
    running.delete(child)
    return code ?? signal
  })
  return {
    child,
    pid: child.pid,
    ended,
    async end(signal = 'SIGTERM') {
      child.kill(signal)
      return ended
    },
  }
}

/**
 * Starts workers/<name>.js, which answers `call`s: see workers/answer.js.
 *
 * @returns {{ pid: number, call: (name: string, settings?: object) => Promise<any>, end: () => Promise<unknown> }}
 */
export function startWorker(name, settings = {}, { core: at = core.others, stdin = 'ignore' } = {}) {
  const script = fileURLToPath(new URL(`../workers/${name}.js`, import.meta.url))
  const command = [process.execPath, script, JSON.stringify(settings)]
  const { child, pid, ended, end } = startProcess(command, { core: at, stdio: [stdin, 'inherit', 'inherit', 'ipc'] })
  const waiting = new Map()
  let calls = 0
  child.on('message', ({ call, result, error }) => {
    const { resolve, reject } = waiting.get(call)
    waiting.delete(call)
    if (error === undefined) resolve(result)
    else reject(new Error(`worker ${name}: ${error}`))
  })
  ended.then((how) => {
    for (const { reject } of waiting.values()) reject(new Error(`worker ${name} ended (${how})`))
  })
  return {
    pid,
    child,
    call(method, given = {}) {
      const call = ++calls
      return new Promise((resolve, reject) => {
        waiting.set(call, { resolve, reject })
        child.send({ call, method, given })
      })
    },
    end,
  }
}

/**
 * Starts a command of the product; its log is read for addresses and for the ledgers at exit.
 *
 * @param {string} program path of cli.js
 * @param {string[]} args
 */
export function startProduct(program, args, { core: at, stdout = 'ignore', env } = {}) {
  const command = [process.execPath, ...nodeFlags, program, ...args, '--log-format', 'json']
  const started = startProcess(command, { core: at, stdio: ['ignore', stdout, 'pipe'], env })
  const log = []
  const watchers = new Set()
  createInterface({ input: started.child.stderr }).on('line', (line) => {
    log.push(parse(line))
    for (const look of watchers) look()
  })

  /** The first line of the log, past or to come, that is meant. */
  function logWhere(isMeant) {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = log.find(isMeant)
        if (found === undefined) return
        watchers.delete(look)
        resolve(found)
      }
      watchers.add(look)
      look()
      started.ended.then((how) => {
        if (watchers.delete(look)) reject(new Error(`${args[0]} ended (${how}): ${JSON.stringify(log.slice(-5))}`))
      })
    })
  }

  return {
    pid: started.pid,
    child: started.child,
    ended: started.ended,
    log,
    logWhere,
    /** Ends it as an operator would. @returns the ledgers it told at its end */
    async stop() {
      const how = await started.end()
      if (how !== 0) throw new Error(`${args[0]} ended with ${how}: ${JSON.stringify(log.slice(-5))}`)
      return log.filter(({ hop }) => hop !== undefined && log.length > 0).filter(isAtExit)
    },
  }
}

function isAtExit({ msg }) {
  return msg === 'ledger at exit'
}

function parse(line) {
  try {
    return JSON.parse(line)
  } catch {
    return { msg: line }
  }
}

const settleStepMs = 30
const settledSteps = 3

/**
 * Waits until a process has nothing left to do: receivers with a queue of their own work on after the last packet.
 *
 * @returns its CPU time so far, and when it had become idle, both in milliseconds
 */
export async function settled(pid, { limitMs = 10_000 } = {}) {
  // Timers, and the own metrics of a peer, cost something always; a profiler more.
  const idleMs = settleStepMs * (nodeFlags.length > 0 ? 0.15 : 0.01)
  const deadline = performance.now() + limitMs
  let cpuMs = cpuMsOf(pid)
  let atMs = performance.now()
  let idle = 0
  while (idle < settledSteps && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, settleStepMs))
    const now = cpuMsOf(pid)
    idle = now - cpuMs <= idleMs ? idle + 1 : 0
    if (idle === 0) atMs = performance.now()
    cpuMs = now
  }
  return { cpuMs, atMs }
}

/** To be asked whether it is done costs a process less. Where it has used more, it had only seemed idle, without a core to run on. */
const askingMs = 10

/**
 * What a process costs while `load` is put on it, until it is idle again.
 *
 * @param {() => Promise<number>} load resolves with how many units were put on it
 * @param {() => Promise<boolean>} isDone tells, of a process that seems idle, whether it has not merely not begun yet
 * @returns CPU and wall time of a unit, in microseconds
 */
export async function costOf(pid, load, isDone = async () => true) {
  const before = await settled(pid)
  const startMs = performance.now()
  const units = await load()
  let after = await settled(pid)
  for (let tries = 0; !(await isDone()) || cpuMsOf(pid) - after.cpuMs > askingMs; tries++) {
    if (tries > 100) throw new Error('not everything that was sent was taken')
    after = await settled(pid)
  }
  const wallMs = Math.max(after.atMs, startMs) - startMs
  return { cpuUs: ((after.cpuMs - before.cpuMs) * 1000) / units, wallUs: (wallMs * 1000) / units, units }
}
