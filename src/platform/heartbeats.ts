import { mkdirSync, readFileSync, readlinkSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from './clock.js'
import { systemCodeOf } from './errors.js'

/** Which process somebody lives in; pids are used again, so the start time belongs to it. */
export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks from boot to the start of the process; undefined where there is no /proc. */
  readonly startTicks?: string
  /** Boot and pid namespace: only where both are the same do pids mean the same. */
  readonly space?: string
}

/** Unless told otherwise: a member without a sign of life for this long is gone, even where its process exists (stopped, hung). */
export const defaultLeaseMs = 10_000

/** How often members show a sign of life, and look whether the others still live. */
export const heartbeatMs = 1_000

/**
 * Signs of life of those that share a directory: every member has a file in it, whose modification time is its newest heartbeat.
 * So whoever only shows that it lives writes nothing to the database that lies there.
 */
export class Heartbeats {
  readonly #dir: string
  readonly #clock: Pick<Clock, 'nowMs'>
  readonly #leaseMs: number

  constructor(sharedDir: string, clock: Pick<Clock, 'nowMs'>, leaseMs: number) {
    this.#leaseMs = leaseMs
    this.#dir = join(sharedDir, 'members')
    this.#clock = clock
    mkdirSync(this.#dir, { recursive: true })
  }

  beat(memberId: string): void {
    const path = join(this.#dir, memberId)
    const now = this.#clock.nowMs() / 1000
    try {
      utimesSync(path, now, now)
    } catch (error) {
      if (systemCodeOf(error) !== 'ENOENT') throw error
      writeFileSync(path, '')
      utimesSync(path, now, now)
    }
  }

  /** Also for members that died: their files would stay for ever. */
  forget(memberId: string): void {
    rmSync(join(this.#dir, memberId), { force: true })
  }

  isAlive(memberId: string, process: ProcessIdentity): boolean {
    return !isGone(process) && this.#ageMs(memberId) < this.#leaseMs
  }

  #ageMs(memberId: string): number {
    const stats = statSync(join(this.#dir, memberId), { throwIfNoEntry: false })
    return stats === undefined ? Number.POSITIVE_INFINITY : this.#clock.nowMs() - stats.mtimeMs
  }
}

export function currentProcess(): ProcessIdentity {
  const startTicks = startTicksOf(process.pid)
  const space = pidSpace()
  return {
    pid: process.pid,
    ...(startTicks === undefined ? {} : { startTicks }),
    ...(space === undefined ? {} : { space }),
  }
}

/** Whether its pid means the same here: only then can be told with certainty that it has ended. */
export function isNeighbour({ startTicks, space }: ProcessIdentity): boolean {
  return startTicks !== undefined && space !== undefined && space === pidSpace()
}

/** True where it is certain that the process has ended; where pids mean nothing here, the heartbeats decide alone. */
function isGone(identity: ProcessIdentity): boolean {
  return isNeighbour(identity) && startTicksOf(identity.pid) !== identity.startTicks
}

/** Field 22 of /proc/PID/stat (man 5 proc); undefined where the process has ended or is a zombie. */
function startTicksOf(pid: number): string | undefined {
  const stat = readText(`/proc/${pid}/stat`)
  // The name in field 2 may hold blanks and brackets, so fields are counted from its closing bracket.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
}

let knownSpace: string | undefined

function pidSpace(): string | undefined {
  knownSpace ??= readPidSpace()
  return knownSpace
}

function readPidSpace(): string | undefined {
  const bootId = readText('/proc/sys/kernel/random/boot_id')?.trim()
  try {
    return bootId === undefined ? undefined : `${bootId} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return undefined
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
