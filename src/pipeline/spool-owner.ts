import { randomUUID } from 'node:crypto'
import type { Database } from 'lmdb'
import type { Clock } from '../platform/clock.js'
import { ExitCode, StatsError } from '../platform/errors.js'
import {
  currentProcess,
  defaultLeaseMs,
  Heartbeats,
  heartbeatMs,
  isNeighbour,
  type ProcessIdentity,
} from '../platform/heartbeats.js'

/** Which process a spool belongs to; every commit depends on `version`. */
export interface Ownership {
  readonly version: number
  /** `window` of the process that used the spool before; 0 for a new one. */
  readonly formerWindow: number
  giveUp(): Promise<void>
}

export interface OwnershipOptions {
  readonly dir: string
  /** The weight of what is on its way to the sink at a time; kept for whoever comes after this process. */
  readonly window: number
  readonly clock: Clock
  readonly signal: AbortSignal
  /** How long an owner of whom nothing else can be told may show no sign of life; 10,000 unless given. */
  readonly leaseMs?: number | undefined
}

/** Who uses the spool. */
interface Owner {
  readonly id: string
  readonly process: ProcessIdentity
  readonly window: number
}

/** One record, the Owner; its version changes with each owner. */
type OwnerTable = Database<Buffer, Buffer>

export const ownerKey = Buffer.from('owner')

/**
 * Makes this process the owner. Where nobody can tell whether the former owner lives (it ran in another container), it is waited
 * for: a sign of life, or none for the length of the lease.
 */
export async function takeOwnership(table: OwnerTable, options: OwnershipOptions): Promise<Ownership> {
  const { dir, clock, signal, window, leaseMs = defaultLeaseMs } = options
  const heartbeats = new Heartbeats(dir, clock, leaseMs)
  const self: Owner = { id: randomUUID(), process: currentProcess(), window }
  const deadlineMs = clock.monotonicMs() + leaseMs + heartbeatMs
  heartbeats.beat(self.id)
  try {
    for (;;) {
      const entry = table.getEntry(ownerKey)
      const former = entry && decodeOwner(entry.value)
      if (former === undefined || former.id === '' || !heartbeats.isAlive(former.id, former.process)) {
        const version = (entry?.version ?? 0) + 1
        if (await putOwner(table, entry?.version, self, version)) {
          if (former !== undefined && former.id !== '') heartbeats.forget(former.id)
          return own(version, former?.window ?? 0)
        }
        continue
      }
      if (isNeighbour(former.process) || clock.monotonicMs() > deadlineMs || signal.aborted) {
        throw taken(dir, `the process ${former.process.pid} uses it`)
      }
      await clock.sleep(heartbeatMs / 2, signal)
    }
  } catch (error) {
    heartbeats.forget(self.id)
    throw error
  }

  function own(version: number, formerWindow: number): Ownership {
    const stopBeating = clock.every(heartbeatMs, () => {
      try {
        heartbeats.beat(self.id)
      } catch {
        // On a disk that fails nobody else can take the spool over either.
      }
    })
    return {
      version,
      formerWindow,
      async giveUp() {
        stopBeating()
        // Who cannot write this down is known to be gone all the same.
        await putOwner(table, version, { ...self, id: '' }, version + 1).catch(() => {})
        heartbeats.forget(self.id)
      },
    }
  }
}

async function putOwner(
  table: OwnerTable,
  before: number | undefined,
  owner: Owner,
  version: number,
): Promise<boolean> {
  const put = () => void table.put(ownerKey, Buffer.from(JSON.stringify(owner)), version)
  try {
    return await (before === undefined ? table.ifNoExists(ownerKey, put) : table.ifVersion(ownerKey, before, put))
  } catch (error) {
    throw await commitCauseOf(error)
  }
}

function decodeOwner(bytes: Buffer): Owner {
  return JSON.parse(bytes.toString()) as Owner
}

export function taken(dir: string, why: string): StatsError {
  const message = `The spool in ${dir} belongs to another collector: ${why}. Give each collector its own --spool-dir.`
  return new StatsError('DS_SPOOL_TAKEN', message, { exitCode: ExitCode.config })
}

// lmdb rejects with a general error whose `commitError` is a promise that rejects with the reason.
export async function commitCauseOf(error: unknown): Promise<unknown> {
  const commitError = (error as { commitError?: Promise<unknown> } | null)?.commitError
  if (commitError === undefined) return error
  return commitError.then(
    () => error,
    (reason: unknown) => reason,
  )
}
