import { Session } from 'node:inspector/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { StatsError } from '../platform/errors.js'

/** Looks at this very process while it works, by V8's own profilers. Profiles are JSON that Chrome's DevTools open. */
export interface Profiler {
  /**
   * Where the time goes in the next `seconds`, or until `signal` is aborted; a `.cpuprofile`.
   * Rejects with DS_PROFILE_BUSY while another one is being taken.
   */
  cpu(seconds: number, signal: AbortSignal): Promise<string>
  /** The memory in use, by where it was allocated since the profiler was created; a `.heapprofile`. */
  heap(): Promise<string>
  close(): void
}

/** One in so many allocated bytes is looked at: V8's own choice, which costs next to nothing. */
const samplingIntervalBytes = 32 * 1024

export async function createProfiler(): Promise<Profiler> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('HeapProfiler.startSampling', { samplingInterval: samplingIntervalBytes })
  let busy = false
  return {
    async cpu(seconds, signal) {
      if (busy)
        throw new StatsError('DS_PROFILE_BUSY', 'A CPU profile is being taken already: ask again when it is done.')
      busy = true
      try {
        await session.post('Profiler.start')
        await sleep(seconds * 1000, undefined, { signal }).catch(() => {})
        return JSON.stringify((await session.post('Profiler.stop')).profile)
      } finally {
        busy = false
      }
    },
    async heap() {
      return JSON.stringify((await session.post('HeapProfiler.getSamplingProfile')).profile)
    },
    close: () => session.disconnect(),
  }
}
