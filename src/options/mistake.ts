/** Where a value came from. */
export type Origin =
  | { readonly from: 'flag'; readonly flag: string }
  | { readonly from: 'variable'; readonly variable: string }
  | { readonly from: 'file'; readonly file: string; readonly key: string }
  | { readonly from: 'default' }

/** One thing that is wrong with what the user gave, and what to do about it. */
export interface Mistake {
  readonly text: string
  readonly origin: Origin
}

/**
 * What a command finds wrong with options that are each right by themselves.
 * `options` are the names concerned (`listen-port-start`); where they were given decides the exit code.
 */
export interface Complaint {
  readonly options: readonly string[]
  readonly text: string
}

/** `flag --listen-port`, `variable LISTEN_PORT`, `node.yaml: listen-port`, `default`. */
export function describeOrigin(origin: Origin): string {
  switch (origin.from) {
    case 'flag':
      return `flag ${origin.flag}`
    case 'variable':
      return `variable ${origin.variable}`
    case 'file':
      return `${origin.file}: ${origin.key}`
    case 'default':
      return 'default'
  }
}
