import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bus } from '../../src/bus/bus.js'
import { createEmbeddedBus, type EmbeddedBusOptions } from '../../src/bus/embedded.js'
import { Counters } from '../../src/telemetry/counters.js'
import { silentLog } from '../../src/telemetry/log.js'

/** A directory for a bus, and the buses on it that a test opens. */
export interface TempBus {
  readonly dir: string
  /** A driver of its own on the directory, not opened. */
  create(options?: Partial<EmbeddedBusOptions>): Bus
  /** The same, opened. */
  open(options?: Partial<EmbeddedBusOptions>): Promise<Bus>
  /** Closes what was opened, and removes the directory. */
  remove(): Promise<void>
}

export async function makeTempBus(): Promise<TempBus> {
  const home = await mkdtemp(join(tmpdir(), 'bus-'))
  const dir = join(home, 'bus')
  const opened: Bus[] = []
  function create(options: Partial<EmbeddedBusOptions> = {}): Bus {
    return createEmbeddedBus({ dir, log: silentLog, counters: new Counters(), ...options })
  }
  return {
    dir,
    create,
    async open(options) {
      const bus = create(options)
      await bus.open(new AbortController().signal)
      opened.push(bus)
      return bus
    },
    async remove() {
      await Promise.all(opened.map((bus) => bus.close()))
      await rm(home, { recursive: true })
    },
  }
}
