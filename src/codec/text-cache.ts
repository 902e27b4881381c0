/**
 * Remembers what `make` answered, for the names that come again and again: escaping a name costs several times
 * what looking it up does. Forgets everything when `limit` texts are known, so that names which never
 * come again cannot fill the memory.
 */
export function createTextCache<Made>(make: (text: string) => Made, limit = 16_384): (text: string) => Made {
  const known = new Map<string, Made>()
  return (text) => {
    const hit = known.get(text)
    if (hit !== undefined) return hit
    if (known.size >= limit) known.clear()
    const made = make(text)
    known.set(text, made)
    return made
  }
}
