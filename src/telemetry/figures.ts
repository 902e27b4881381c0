/** Numbers for people, as the live page has them (web/format.js). */

/** `0`, `0.4`, `37`, `12.3k`, `1.2M` */
export function short(value: number): string {
  if (value < 0.05) return '0'
  if (value < 10) return String(Number(value.toFixed(1)))
  if (value < 1000) return String(Math.round(value))
  if (value < 999_950) return `${threeDigits(value / 1000)}k`
  return `${threeDigits(value / 1_000_000)}M`
}

export function perSecond(value: number): string {
  return `${short(value)}/s`
}

/** `0 B/s`, `1.5 kB/s` */
export function bytesPerSecond(value: number): string {
  if (value < 1000) return `${short(value)} B/s`
  if (value < 999_950) return `${threeDigits(value / 1000)} kB/s`
  return `${threeDigits(value / 1_000_000)} MB/s`
}

/** `now`, `12 s`, `4 min`, `2 h`, `3 d` */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  return seconds < 3 ? 'now' : span(seconds)
}

export function span(seconds: number): string {
  if (seconds < 120) return `${Math.floor(seconds)} s`
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}

function threeDigits(value: number): string {
  return value < 100 ? String(Number(value.toFixed(1))) : String(Math.round(value))
}
