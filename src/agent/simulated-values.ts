/** Numbers as a Mesos agent reports them, by name. */
export type Numbers = Record<string, number>

const pageBytes = 4096
const periodsPerSecond = 10

/**
 * A container's `statistics` that live on from a recording: CPU times and periods only grow, memory wanders between
 * half and one and a half of what was recorded (never above its limit), limits stay.
 *
 * @returns the numbers after `elapsedSecs` more seconds, `timestamp` (seconds since 1970) set from `nowMs`
 */
export function createMovingStatistics(
  recorded: Readonly<Numbers>,
  random: () => number,
): (elapsedSecs: number, nowMs: number) => Numbers {
  const values: Numbers = { ...recorded }
  const cpuShare = 0.02 + 0.3 * random()
  const recordedRss = recorded.mem_rss_bytes ?? 0
  const mostRss = Math.max(recordedRss, Math.min(recordedRss * 1.5, recorded.mem_limit_bytes ?? Number.MAX_VALUE))

  return (elapsedSecs, nowMs) => {
    for (const name of Object.keys(values)) values[name]! += growth(name, elapsedSecs * cpuShare, elapsedSecs, random)
    const rss = values.mem_rss_bytes ?? 0
    const newRss = toPages(wander(rss, recordedRss * 0.03, recordedRss * 0.5, mostRss, random))
    for (const name of ['mem_rss_bytes', 'mem_anon_bytes', 'mem_total_bytes']) {
      if (name in values) values[name]! += newRss - rss
    }
    return { ...rounded(values), timestamp: nowMs / 1000 }
  }
}

function growth(name: string, busySecs: number, elapsedSecs: number, random: () => number): number {
  if (name.endsWith('_time_secs')) return busySecs * (0.5 + random())
  if (name === 'cpus_nr_periods') return elapsedSecs * periodsPerSecond
  if (name === 'cpus_nr_throttled') return elapsedSecs * random()
  return 0
}

/**
 * The agent's /metrics/snapshot that lives on from a recording: the uptime and counts of what has ended grow, load
 * and free memory wander, sizes stay.
 */
export function createMovingSnapshot(
  recorded: Readonly<Numbers>,
  random: () => number,
): (elapsedSecs: number) => Numbers {
  const values: Numbers = { ...recorded }
  return (elapsedSecs) => {
    for (const [name, value] of Object.entries(values)) values[name] = movedMetric(name, value, elapsedSecs)
    return { ...values }
  }

  function movedMetric(name: string, value: number, elapsedSecs: number): number {
    if (name === 'slave/uptime_secs') return value + elapsedSecs
    if (name === 'slave/valid_status_updates') return value + Math.round(elapsedSecs * random() * 0.2)
    if (name.startsWith('system/load_')) return wander(value, 0.2, 0.01, 8, random)
    if (name !== 'system/mem_free_bytes') return value
    const total = recorded['system/mem_total_bytes'] ?? value * 2
    return toPages(wander(value, total * 0.01, total * 0.05, total * 0.95, random))
  }
}

function wander(value: number, step: number, least: number, most: number, random: () => number): number {
  const change = (random() * 2 - 1) * step
  const moved = value + change
  // Turned round at a bound rather than held there, so that the value differs at every poll.
  return Math.min(most, Math.max(least, moved < least || moved > most ? value - change : moved))
}

function toPages(bytes: number): number {
  return Math.round(bytes / pageBytes) * pageBytes
}

/** As an agent shows them: CPU times in hundredths of a second, counts whole. */
function rounded(values: Readonly<Numbers>): Numbers {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      if (name.endsWith('_time_secs')) return [name, Math.floor(value * 100) / 100]
      return [name, name.startsWith('cpus_nr_') ? Math.floor(value) : value]
    }),
  )
}
