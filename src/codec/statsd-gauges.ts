/** Remembers the last value of gauges, so that `+5` and `-5` can be added to it. */
export interface GaugeMemory {
  /** @returns the gauge's new value: `change` added to the last one (0 where there is none) */
  change(gauge: string, change: number): number
  set(gauge: string, value: number): void
}

/** @param limit gauges remembered; the one that was set least recently is forgotten first */
export function createGaugeMemory(limit = 10_000): GaugeMemory {
  const values = new Map<string, number>()

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
    change(gauge, change) {
      const value = (values.get(gauge) ?? 0) + change
      set(gauge, value)
      return value
    },
  }
}
