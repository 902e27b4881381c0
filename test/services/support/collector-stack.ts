import { setTimeout as sleep } from 'node:timers/promises'
import type { LedgerSnapshot } from '../../../src/model/ledger.js'
import { type Program, startProgram } from '../../support/program.js'

/** Limits out of the way, batches that leave soon, no Mesos agent. */
const usual = [
  ...['--listen-endpoint', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--agent-polling=false'],
  ...['--input-limit-amount-kbytes', '100000000', '--global-limit-amount-kbytes', '100000000'],
  ...['--kafka-produce-period-ms', '100'],
]

export interface RunningCollector {
  readonly program: Program
  readonly endpoint: string
  ledger(): Promise<LedgerSnapshot>
  ready(): Promise<{ ready: boolean; checks: Record<string, { ready: boolean; reason?: string }> }>
  /** Resolves when nothing is held any more. */
  untilEmpty(): Promise<LedgerSnapshot>
}

/** A collector as a process, once it takes in streams. */
export async function startCollector(
  cli: string,
  brokers: readonly string[],
  ...flags: string[]
): Promise<RunningCollector> {
  const program = startProgram(cli, ['collector', ...usual, '--kafka-brokers', brokers.join(), ...flags])
  const { address } = await program.logWhere(({ msg }) => msg === 'taking in Avro streams')
  const { address: admin } = await program.logWhere(({ msg }) => /^serving/.test(String(msg)))
  const get = async (path: string) => (await fetch(`${admin}${path}`)).json()
  const ledger = async () => ((await get('/ledger')) as LedgerSnapshot[])[0] as LedgerSnapshot
  return {
    program,
    endpoint: String(address),
    ledger,
    ready: async () => (await get('/ready')) as Awaited<ReturnType<RunningCollector['ready']>>,
    async untilEmpty() {
      for (;;) {
        const snapshot = await ledger()
        if (snapshot.held === 0) return snapshot
        await sleep(100)
      }
    },
  }
}

/** `emit avro` with numbered datapoints. */
export function emitNumbers(cli: string, endpoint: string, ...flags: string[]): Program {
  return startProgram(cli, ['emit', 'avro', '--endpoint', endpoint, ...flags])
}

/** A consumer that prints what there is and what comes. */
export function startConsumer(cli: string, brokers: readonly string[], topic: string, group: string): Program {
  const flags = ['--sink', 'stdout', '--from', 'earliest', '--group-id', group, '--kafka-topics', topic]
  return startProgram(cli, ['consume', ...flags, '--kafka-brokers', brokers.join()])
}

/** Resolves when so much has been printed and, for `quietMs`, nothing more. */
export async function untilQuiet(consumer: Program, atLeast: number, quietMs = 3000): Promise<void> {
  await consumer.dataUntil((data) => data.length >= atLeast)
  let before = 0
  while (consumer.data.length !== before) {
    before = consumer.data.length
    await sleep(quietMs)
  }
}
