/** The name that was probably meant: the nearest one, where it is near enough; undefined otherwise. */
export function suggest(typed: string, known: Iterable<string>): string | undefined {
  const wanted = normalise(typed)
  const near = [...known]
    .map((name) => ({ name, distance: editDistance(wanted, normalise(name)) }))
    .filter(({ name, distance }) => distance <= Math.max(1, Math.floor(Math.min(name.length, typed.length) / 4)))
    .sort((one, other) => one.distance - other.distance)
  return near[0]?.name
}

/** ` Did you mean --kafka-brokers?`, or nothing. */
export function didYouMean(typed: string, known: Iterable<string>, prefix = ''): string {
  const name = suggest(typed, known)
  return name === undefined ? '' : ` Did you mean ${prefix}${name}?`
}

function normalise(name: string): string {
  return name.toLowerCase().replaceAll('_', '-')
}

/** Insertions, deletions, replacements, and swaps of neighbours, that lead from one text to the other. */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1]
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      current[column] = Math.min(
        last[column]! + 1,
        current[column - 1]! + 1,
        last[column - 1]! + (same ? 0 : 1),
        swapped ? beforeLast[column - 2]! + 1 : Number.POSITIVE_INFINITY,
      )
    }
    beforeLast = last
    last = current
  }
  return last[to.length]!
}
