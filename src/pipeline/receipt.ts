/** Follows the lists of one `push` through the batches they end up in. */
export interface Receipt {
  /** Settles when every batch that holds a list of the push has been answered for. */
  readonly settled: Promise<void>
  /** One more batch holds lists of this push. */
  join(): void
  /** All lists of the push are in batches now. */
  seal(): void
  /** One batch was answered for. */
  done(): void
  /** A batch will not be answered for. */
  fail(cause: unknown): void
}

export function createReceipt(): Receipt {
  // The push itself counts as one, until it is sealed.
  let open = 1
  let resolve: () => void = () => {}
  let reject: (cause: unknown) => void = () => {}
  const settled = new Promise<void>((onSettled, onFailed) => {
    resolve = onSettled
    reject = onFailed
  })
  function done() {
    open -= 1
    if (open === 0) resolve()
  }
  return {
    settled,
    join() {
      open += 1
    },
    seal: done,
    done,
    fail: (cause) => reject(cause),
  }
}
