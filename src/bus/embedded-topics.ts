import type { Env } from './embedded-env.js'

export interface Topic {
  readonly id: number
  readonly name: string
}

/** The topics of the bus. They are never removed, so each is read from disk once. */
export class TopicNames {
  readonly #env: Pick<Env, 'topics'>
  readonly #names: string[] = []
  readonly #ids = new Map<string, number>()

  constructor(env: Pick<Env, 'topics'>) {
    this.#env = env
  }

  static key(topicId: number): Buffer {
    const key = Buffer.allocUnsafe(4)
    key.writeUInt32BE(topicId, 0)
    return key
  }

  readUpTo(nextTopicId: number): void {
    while (this.#names.length < nextTopicId) {
      const name = this.#env.topics.getBinary(TopicNames.key(this.#names.length))?.toString() ?? ''
      this.#ids.set(name, this.#names.length)
      this.#names.push(name)
    }
  }

  idOf(name: string): number | undefined {
    return this.#ids.get(name)
  }

  nameOf(topicId: number): string | undefined {
    return this.#names[topicId]
  }

  get count(): number {
    return this.#names.length
  }

  /** All topics that `wanted` names, in the order in which they appeared. */
  matching(wanted: (name: string) => boolean): Topic[] {
    return this.#names.flatMap((name, id) => (wanted(name) ? [{ id, name }] : []))
  }
}

/** Exact names, or a pattern that must match the whole name. */
export function topicFilter(topics: readonly string[] | RegExp): (name: string) => boolean {
  if (!(topics instanceof RegExp)) {
    const names = new Set(topics)
    return (name) => names.has(name)
  }
  // Flags g and y would make the answer depend on the question before.
  const whole = new RegExp(`^(?:${topics.source})$`, topics.flags.replace(/[gy]/g, ''))
  return (name) => whole.test(name)
}
