/** The middle one; the mean of the two in the middle. */
export function median(values) {
  return percentile(values, 50)
}

/** @param {number} percent 0 to 100; between two values in proportion */
export function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b)
  const at = ((sorted.length - 1) * percent) / 100
  const below = Math.floor(at)
  const low = sorted[below] ?? Number.NaN
  const high = sorted[below + 1] ?? low
  return low + (high - low) * (at - below)
}

/** Three digits that count: 0.0123, 1.23, 123, 123000. */
export function short(value) {
  if (!Number.isFinite(value)) return '–'
  const rounded = Number(value.toPrecision(3))
  return Math.abs(rounded) >= 10_000 ? rounded.toLocaleString('en') : String(rounded)
}

/**
 * Runs all subjects in turn, round by round, each second round backwards: what changes in the machine meets them all alike.
 *
 * @template Sample
 * @param {Record<string, () => Promise<Sample>>} subjects
 * @returns {Promise<Record<string, Sample[]>>}
 */
export async function alternate(rounds, subjects) {
  const names = Object.keys(subjects)
  const samples = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) samples[name].push(await subjects[name]())
  }
  return samples
}

/** Median of the ratios within the rounds. */
export function ratioOf(samples, base, key) {
  return median(samples.map((sample, round) => sample[key] / base[round][key]))
}
