import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEmbeddedBus } from '../../src/bus/embedded.js'
import { Counters } from '../../src/telemetry/counters.js'
import { silentLog } from '../../src/telemetry/log.js'
import { busContract } from '../support/bus-contract.js'

busContract('the embedded bus', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'embedded-'))
  return {
    async openBus() {
      const bus = createEmbeddedBus({ dir, log: silentLog, counters: new Counters() })
      await bus.open(new AbortController().signal)
      return bus
    },
    dispose: () => rm(dir, { recursive: true }),
  }
})
