import { decodeContainerFile } from '../codec/avro-ocf.js'
import { countDatapoints } from '../model/metric-list.js'
import type { Inheritance } from '../platform/inheritance.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import type { Source } from './source.js'

/** Lists that one process tells the next, for what it could not send any more. */
export interface LeftLists {
  /** A container file, in base64. */
  readonly lists: string
}

/** What the process before this one had received and could not send; ends when that one has. */
export function createPredecessorSource(
  inheritance: Pick<Inheritance, 'read'>,
  { ledger, log }: Pick<Telemetry, 'ledger' | 'log'>,
): Source {
  return {
    name: 'predecessor',
    async run(emit) {
      await inheritance.read((message) => {
        if (!('lists' in message)) return
        const { lists, fault } = decodeContainerFile(Buffer.from(String(message.lists), 'base64'))
        if (fault) log.error({ cause: fault.message }, 'lists of the process before this one could not be read')
        ledger.received += countDatapoints(lists)
        // Why the pipeline failed, it tells itself.
        emit(lists).catch(() => {})
      })
    },
  }
}
