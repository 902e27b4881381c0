import { describeOrigin, type Origin } from './mistake.js'

/** An option as it holds, and where that was said. Secrets are masked. */
export interface EffectiveOption {
  readonly name: string
  /** As a user would write it; undefined where the option has no value. */
  readonly value: string | undefined
  readonly origin: Origin
}

/** For one log line at start: `{'listen-endpoint': '0.0.0.0:8124 (variable LISTEN_ENDPOINT)'}`; defaults without a word. */
export function effectiveForLog(effective: readonly EffectiveOption[]): Record<string, string> {
  const given = effective.flatMap(({ name, value, origin }) => {
    if (value === undefined) return []
    return [[name, origin.from === 'default' ? value : `${value} (${describeOrigin(origin)})`] as const]
  })
  return Object.fromEntries(given)
}
