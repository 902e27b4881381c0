/** A promise that is settled from outside. */
export interface Gate<Value = void> {
  readonly promise: Promise<Value>
  open(value: Value): void
}

export function createGate<Value = void>(): Gate<Value> {
  let open: (value: Value) => void = () => {}
  const promise = new Promise<Value>((resolve) => {
    open = resolve
  })
  return { promise, open }
}
