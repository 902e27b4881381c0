/** How much of the past is left after a second: about five seconds count. */
const decayPerSecond = 0.8
/** What is left of a stream that has ended is nothing, though in theory it never is. */
const smallest = 0.01

/** A rate that forgets: a mean of about the last five seconds. */
export class Rate {
  #sum = 0
  #seconds = 0

  /** @param amount what came in the last `seconds` */
  add(amount: number, seconds: number): void {
    const decay = decayPerSecond ** seconds
    this.#sum = this.#sum * decay + amount
    this.#seconds = this.#seconds * decay + seconds
  }

  get perSecond(): number {
    const rate = this.#seconds === 0 ? 0 : this.#sum / this.#seconds
    return rate < smallest ? 0 : rate
  }
}

/** The rate of a number that only grows; its first value is where it starts from. */
export class TotalRate extends Rate {
  #last: number | undefined

  take(total: number, seconds: number): void {
    if (this.#last !== undefined) this.add(total - this.#last, seconds)
    this.#last = total
  }
}
