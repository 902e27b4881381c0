/** One thing that must be so before a daemon is of use. */
export interface ReadinessCheck {
  readonly ready: boolean
  /** Why it is not, or what it is waiting for; for people. */
  readonly reason?: string
}

/** What /ready shows: each part says for itself whether it is ready. */
export class Readiness {
  readonly #checks = new Map<string, ReadinessCheck>()

  /** @param part such as `listening`, `agent`, `bus`; call it with `waiting` first, so that /ready is false until it is done */
  set(part: string, check: ReadinessCheck): void {
    this.#checks.set(part, check)
  }

  waiting(part: string, reason: string): void {
    this.set(part, { ready: false, reason })
  }

  ready(part: string): void {
    this.set(part, { ready: true })
  }

  /** For a part that knows only itself. */
  of(part: string): { ready(): void; waiting(reason: string): void } {
    return { ready: () => this.ready(part), waiting: (reason) => this.waiting(part, reason) }
  }

  snapshot(): { ready: boolean; checks: Record<string, ReadinessCheck> } {
    return { ready: [...this.#checks.values()].every(({ ready }) => ready), checks: Object.fromEntries(this.#checks) }
  }
}
