import { createOcfReader, encodeContainerFile } from '../codec/avro-ocf.js'
import { countDatapoints, type MetricList } from '../model/metric-list.js'
import type { SpoolParcel } from './spool-parcels.js'
import type { NewSpoolEntry, SpoolEntry } from './spool-store.js'

/** What was let in once: in the spool it has one block without compression. */
const ownLimits = { blockBytes: 2 ** 31, inflatedBlockBytes: 2 ** 31, blockLists: 2 ** 31 }

/** A parcel as the spool keeps it: a container file. */
export function encodeParcel({ lists, datapoints, weight }: SpoolParcel): NewSpoolEntry {
  return { bytes: encodeContainerFile(lists), datapoints, weight }
}

/**
 * Reads an entry's lists; from a damaged one, those that are whole.
 *
 * @param bytes undefined where the entry is not there
 * @returns with `missing` datapoints of the entry, and why
 */
export function decodeEntry(
  { datapoints }: Pick<SpoolEntry, 'datapoints'>,
  bytes: Uint8Array | undefined,
): { lists: readonly MetricList[]; missing: number; cause: string | undefined } {
  const reader = createOcfReader(ownLimits)
  const lists = reader.push(bytes ?? new Uint8Array())
  reader.end()
  return { lists, missing: datapoints - countDatapoints(lists), cause: reader.fault?.message }
}
