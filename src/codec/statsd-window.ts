const newline = 10
/** UDP's largest payload is a little smaller. */
const usualBytes = 64 * 1024
/** A word that begins at the newline behind the packet ends here. */
const slackBytes = 4

/**
 * The packet that is being read, copied to where four of its bytes can be read at once: the copy costs 11 ns, a DataView of
 * each packet's own would cost 60, and a scan by words takes half the time.
 *
 * A newline stands behind the last byte, so that no loop has to look for the end as well.
 */
export class PacketWindow {
  bytes: Buffer
  view: DataView
  /** Of the packet, in bytes. */
  length = 0

  /** @param capacityBytes the largest packet for which it need not grow */
  constructor(capacityBytes = usualBytes) {
    this.bytes = Buffer.allocUnsafeSlow(capacityBytes + slackBytes)
    this.view = new DataView(this.bytes.buffer)
  }

  load(packet: Uint8Array): void {
    if (packet.length + slackBytes > this.bytes.length) this.#grow(packet.length + slackBytes)
    this.bytes.set(packet)
    this.length = packet.length
    this.bytes[packet.length] = newline
  }

  #grow(bytes: number): void {
    this.bytes = Buffer.allocUnsafeSlow(bytes)
    this.view = new DataView(this.bytes.buffer)
  }
}
