/** Remembers the last value of gauges, so that `+5` and `-5` can be added to it. */
export interface GaugeMemory {
  /** @returns the gauge's new value: `change` added to the last one (0 where there is none) */
  change(gauge: string, change: number): number
  set(gauge: string, value: number): void
  /** All of them, the one that was set least recently first. */
  entries(): [gauge: string, value: number][]
}

/**
 * @param remembered what another memory's `entries` were
 * @param limit gauges remembered; the one that was set least recently is forgotten first
 */
export function createGaugeMemory(
  remembered: Iterable<readonly [gauge: string, value: number]> = [],
  limit = 10_000,
): GaugeMemory {
  const values = new Map(remembered)

  function set(gauge: string, value: number): void {
    values.delete(gauge)
    values.set(gauge, value)
    if (values.size <= limit) return
    for (const oldest of values.keys()) {
      values.delete(oldest)
      return
    }
  }

  return {
    set,
    entries: () => [...values],
    change(gauge, change) {
      const value = (values.get(gauge) ?? 0) + change
      set(gauge, value)
      return value
    },
  }
}
