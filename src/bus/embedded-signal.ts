/** Remembers that something happened until somebody has waited for it. */
export class Latch {
  #set = false
  #release: (() => void) | undefined

  readonly set = (): void => {
    this.#set = true
    this.#release?.()
  }

  /** Resolves at once where `set` was called since the last `wait`, else when it is called. */
  async wait(): Promise<void> {
    if (!this.#set) {
      await new Promise<void>((resolve) => {
        this.#release = resolve
      })
    }
    this.#release = undefined
    this.#set = false
  }
}
