import type { PartitionLag } from './bus.js'

interface Position {
  readonly topic: string
  readonly partition: number
  /** What the group reads next. */
  next: bigint
  /** What the next message will get. */
  high: bigint
  movedAtMs: number
}

/** Where this process's partitions stand. */
export interface LagBook {
  /** Starts over with the partitions that this process has now. */
  assign(partitions: readonly { readonly topic: string; readonly partition: number }[]): void
  assigned(): readonly { readonly topic: string; readonly partition: number }[]
  committed(topic: string, partition: number, next: bigint, nowMs: number): void
  seen(topic: string, partition: number, high: bigint): void
  /** Partitions that have messages and did not move since `sinceMs`. */
  unmoved(sinceMs: number): readonly PartitionLag[]
  read(): readonly PartitionLag[]
}

export function createLagBook(): LagBook {
  let positions = new Map<string, Position | { readonly topic: string; readonly partition: number }>()
  const known = (): Position[] => [...positions.values()].filter((entry) => 'next' in entry)
  const lagOf = ({ topic, partition, next, high }: Position) => ({
    topic,
    partition,
    messages: high > next ? Number(high - next) : 0,
  })

  return {
    assign(partitions) {
      positions = new Map(partitions.map((entry) => [keyOf(entry), positions.get(keyOf(entry)) ?? entry]))
    },
    assigned: () => [...positions.values()],
    committed(topic, partition, next, nowMs) {
      const before = positions.get(keyOf({ topic, partition }))
      if (before === undefined) return
      const high = 'high' in before && before.high > next ? before.high : next
      positions.set(keyOf(before), { topic, partition, next, high, movedAtMs: nowMs })
    },
    seen(topic, partition, high) {
      const position = positions.get(keyOf({ topic, partition }))
      if (position !== undefined && 'high' in position) position.high = high
    },
    unmoved: (sinceMs) =>
      known()
        .filter(({ next, high, movedAtMs }) => high > next && movedAtMs < sinceMs)
        .map(lagOf),
    read: () => known().map(lagOf),
  }
}

function keyOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}\n${partition}`
}
