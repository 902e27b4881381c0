/**
 * A bounded memory of what was seen lately: two maps, of which the older one is forgotten as a whole when the newer one is
 * full. What is asked for moves into the newer one, so what is in use stays.
 */
export class GenerationCache<Key, Value> {
  #young = new Map<Key, Value>()
  #old = new Map<Key, Value>()
  #youngWeight = 0
  readonly #limit: number
  readonly #weightOf: (value: Value) => number
  readonly #forget: ((value: Value) => void) | undefined

  /**
   * @param limit the weight of one generation; at most two are kept
   * @param forget called for every value that leaves
   */
  constructor({
    limit,
    weightOf,
    forget,
  }: {
    limit: number
    weightOf: (value: Value) => number
    forget?: (value: Value) => void
  }) {
    this.#limit = limit
    this.#weightOf = weightOf
    this.#forget = forget
  }

  get(key: Key): Value | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old === undefined) return undefined
    this.#old.delete(key)
    this.set(key, old)
    return old
  }

  set(key: Key, value: Value): void {
    if (this.#youngWeight >= this.#limit) this.#age()
    const replaced = this.#young.get(key)
    if (replaced !== undefined) {
      this.#youngWeight -= this.#weightOf(replaced)
      this.#forget?.(replaced)
    }
    this.#young.set(key, value)
    this.#youngWeight += this.#weightOf(value)
  }

  #age(): void {
    if (this.#forget !== undefined) for (const value of this.#old.values()) this.#forget(value)
    this.#old = this.#young
    this.#young = new Map()
    this.#youngWeight = 0
  }
}
