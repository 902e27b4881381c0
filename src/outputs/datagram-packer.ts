import type { Cancel, Clock } from '../platform/clock.js'

/** Packs rows into datagrams, in order, with `\n` between them and none at the end. */
export interface DatagramPacker {
  /**
   * Adds the row `bytes[start, end)`, copied, with `inserted` (if any) written before the byte at `insertAt`.
   */
  add(bytes: Uint8Array, start: number, end: number, inserted?: Uint8Array, insertAt?: number): void
  /** Sends what waits. */
  flush(): void
}

/**
 * R37 of the first implementation: a row joins the datagram while its size stays below `limitBytes`; else what waits is
 * sent and the row begins the next one. A row of `limitBytes` or more is sent alone, at once and whole. What waits
 * leaves after `maxAgeMs` at the latest.
 *
 * @param limitBytes 0 for a datagram a row
 * @param send takes a datagram, for good, and how many rows are in it
 */
export function createDatagramPacker({
  limitBytes,
  maxAgeMs,
  clock,
  send,
}: {
  limitBytes: number
  maxAgeMs: number
  clock: Clock
  send: (datagram: Uint8Array, rows: number) => void
}): DatagramPacker {
  let waiting: Buffer = Buffer.alloc(0)
  let usedBytes = 0
  let rows = 0
  let cancel: Cancel = () => {}

  return {
    add(bytes, start, end, inserted, insertAt = start) {
      const rowBytes = end - start + (inserted === undefined ? 0 : inserted.length)
      if (usedBytes > 0 && usedBytes + 1 + rowBytes >= limitBytes) flush()
      if (rowBytes >= limitBytes) {
        const alone = Buffer.allocUnsafe(rowBytes)
        copyRow(alone, 0, bytes, start, end, inserted, insertAt)
        send(alone, 1)
        return
      }
      // The kernel takes a datagram some time later, so each one has memory of its own.
      if (rows === 0) begin()
      else waiting[usedBytes++] = 0x0a
      usedBytes = copyRow(waiting, usedBytes, bytes, start, end, inserted, insertAt)
      rows += 1
    },
    flush,
  }

  function begin(): void {
    waiting = Buffer.allocUnsafe(limitBytes)
    cancel = clock.after(maxAgeMs, flush)
  }

  function flush(): void {
    if (rows === 0) return
    cancel()
    const datagram = waiting.subarray(0, usedBytes)
    const sentRows = rows
    usedBytes = 0
    rows = 0
    send(datagram, sentRows)
  }
}

/** @returns where the row ends in `to` */
function copyRow(
  to: Uint8Array,
  pos: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  inserted: Uint8Array | undefined,
  insertAt: number,
): number {
  if (inserted === undefined) {
    to.set(bytes.subarray(start, end), pos)
    return pos + end - start
  }
  to.set(bytes.subarray(start, insertAt), pos)
  pos += insertAt - start
  to.set(inserted, pos)
  pos += inserted.length
  to.set(bytes.subarray(insertAt, end), pos)
  return pos + end - insertAt
}
