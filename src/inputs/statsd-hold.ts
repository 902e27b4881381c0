import type { Cancel, Clock } from '../platform/clock.js'

/** What a small packet takes in memory beside its bytes. */
const packetOverheadBytes = 256

/** Bytes that all sockets together may hold back. */
export interface HoldBudget {
  readonly limitBytes: number
  usedBytes: number
}

interface HeldPacket {
  readonly packet: Buffer
  readonly timeMs: number
  readonly datapoints: number
  readonly dueMs: number
}

export interface HoldOptions {
  readonly clock: Clock
  readonly holdMs: number
  readonly limitBytes: number
  readonly budget: HoldBudget
  /** Takes a packet whose time is over, or for which there is no room. */
  readonly release: (packet: Buffer, timeMs: number) => void
}

/**
 * Packets of a container that the agent has not named yet, in the order in which they came. They are kept as they are, because
 * their rows may be needed too (StatsD output), until somebody takes them, or each for `holdMs`.
 */
export class PacketHold {
  readonly #options: HoldOptions
  readonly #packets: HeldPacket[] = []
  #bytes = 0
  #datapoints = 0
  #cancel: Cancel | undefined

  constructor(options: HoldOptions) {
    this.#options = options
  }

  get datapoints(): number {
    return this.#datapoints
  }

  /** Keeps a copy. Where memory gets short, the oldest are released early. */
  add(received: Buffer, timeMs: number, datapoints: number): void {
    const packet = Buffer.from(received)
    const { clock, holdMs, limitBytes, budget } = this.#options
    this.#packets.push({ packet, timeMs, datapoints, dueMs: clock.monotonicMs() + holdMs })
    this.#count(packet.length + packetOverheadBytes, datapoints)
    while (this.#packets.length > 0 && (this.#bytes > limitBytes || budget.usedBytes > budget.limitBytes)) {
      this.#releaseOldest()
    }
    this.#cancel ??= clock.after(holdMs, () => this.#releaseDue())
  }

  /** Takes all out without releasing them. */
  takeAll(): { readonly packet: Buffer; readonly timeMs: number }[] {
    this.#cancel?.()
    this.#cancel = undefined
    const taken = this.#packets.splice(0)
    for (const { packet, datapoints } of taken) this.#count(-packet.length - packetOverheadBytes, -datapoints)
    return taken
  }

  /** Releases all. */
  releaseAll(): void {
    this.#cancel?.()
    this.#cancel = undefined
    while (this.#packets.length > 0) this.#releaseOldest()
  }

  #releaseDue(): void {
    const { clock } = this.#options
    this.#cancel = undefined
    const nowMs = clock.monotonicMs()
    while (this.#packets.length > 0 && this.#packets[0]!.dueMs <= nowMs) this.#releaseOldest()
    const oldest = this.#packets[0]
    if (oldest !== undefined) this.#cancel = clock.after(oldest.dueMs - nowMs, () => this.#releaseDue())
  }

  #releaseOldest(): void {
    const { packet, timeMs, datapoints } = this.#packets.shift()!
    this.#count(-packet.length - packetOverheadBytes, -datapoints)
    this.#options.release(packet, timeMs)
  }

  #count(bytes: number, datapoints: number): void {
    this.#bytes += bytes
    this.#options.budget.usedBytes += bytes
    this.#datapoints += datapoints
  }
}
