import type { ContainerIdentity } from '../model/agent-state.js'
import type { Cancel, Clock } from '../platform/clock.js'

/** Who a container is, as far as the local Mesos agent has told. */
export interface Identities {
  /** @param containerId the last part of the container's id */
  identify(containerId: string): ContainerIdentity | undefined
  /** Calls back after each good reply of the agent; the returned function ends that. */
  onIdentities(callback: () => void): Cancel
  /** Asks the agent now; settles when it has answered, or has not. */
  refresh(): Promise<void> | void
}

// A nested container stands in /state only once its task's first status is there, so one question is not enough.
const askAgainAfterMs = [500, 1000, 2000, 4000, 8000]

/** Asks the agent at once when a container is new, and a few times more while it does not know it. */
export interface Asker {
  ask(): void
  stop(): void
}

/**
 * @param stillNeeded whether somebody is waiting for an answer; where nobody is, it is not asked again
 */
export function createAsker({
  refresh,
  stillNeeded,
  clock,
}: {
  refresh: () => Promise<void> | void
  stillNeeded: () => boolean
  clock: Clock
}): Asker {
  let attempt = 0
  let asking = false
  let askedMeanwhile = false
  let stopped = false
  let cancel: Cancel = () => {}

  return {
    ask() {
      attempt = 0
      if (asking) askedMeanwhile = true
      else void run()
    },
    stop() {
      stopped = true
      cancel()
    },
  }

  async function run(): Promise<void> {
    if (stopped) return
    cancel()
    asking = true
    askedMeanwhile = false
    try {
      await refresh()
    } catch {
      // The agent part has logged and counted why; here only the next question matters.
    }
    asking = false
    if (stopped || !stillNeeded()) return
    // The answer may be older than the container that came while it was under way.
    if (askedMeanwhile) return void run()
    const delayMs = askAgainAfterMs[attempt]
    attempt += 1
    if (delayMs !== undefined) cancel = clock.after(delayMs, () => void run())
  }
}
