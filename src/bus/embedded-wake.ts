import { closeSync, type FSWatcher, futimesSync, openSync, watch } from 'node:fs'
import { join } from 'node:path'
import type { Cancel, Clock } from '../platform/clock.js'
import { messageOf } from '../platform/errors.js'
import type { Log } from '../telemetry/log.js'

/**
 * Tells every process on the directory that something is new, without asking again and again: who changes the bus touches the
 * file `wake`, and the kernel (inotify, kqueue) tells all who watch it. A touch is a hint and can get lost, so readers
 * look by themselves now and then as well.
 */
export interface WakeFile {
  /** Wakes the other processes, and the listeners of this one. */
  touch(): void
  /** @returns stops listening */
  listen(wake: () => void): () => void
  close(): void
}

/** Where the kernel gives no notice (its watches are used up), readers look this often. */
const fallbackPeriodMs = 25

export function openWakeFile({ dir, clock, log }: { dir: string; clock: Clock; log: Log }): WakeFile {
  const path = join(dir, 'wake')
  const descriptor = openSync(path, 'a')
  const listeners = new Set<() => void>()
  let stopWatching: Cancel | undefined

  return {
    touch() {
      const now = clock.nowMs() / 1000
      futimesSync(descriptor, now, now)
      wakeAll()
    },
    listen(wake) {
      listeners.add(wake)
      stopWatching ??= watchFile(path, wakeAll, { clock, log })
      return () => {
        listeners.delete(wake)
        if (listeners.size > 0) return
        stopWatching?.()
        stopWatching = undefined
      }
    },
    close() {
      stopWatching?.()
      closeSync(descriptor)
    },
  }

  function wakeAll(): void {
    for (const wake of listeners) wake()
  }
}

function watchFile(path: string, wakeAll: () => void, { clock, log }: { clock: Clock; log: Log }): Cancel {
  let stopPolling: Cancel | undefined
  let watcher: FSWatcher | undefined
  try {
    watcher = watch(path, wakeAll)
    watcher.on('error', pollInstead)
  } catch (error) {
    pollInstead(error)
  }
  return () => {
    watcher?.close()
    stopPolling?.()
  }

  function pollInstead(cause: unknown): void {
    watcher?.close()
    if (stopPolling !== undefined) return
    log.warn(
      { path, periodMs: fallbackPeriodMs, cause: messageOf(cause) },
      'embedded bus: the system gives no notice of changes, looking again and again instead; raise fs.inotify.max_user_watches and max_user_instances',
    )
    stopPolling = clock.every(fallbackPeriodMs, wakeAll)
  }
}
