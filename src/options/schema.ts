import { z } from 'zod'
import { parseHostPort, parseListenAddress } from './address.js'
import type { Kind } from './option.js'

/**
 * The schema from what a user writes to what a command gets. Lists take an array of texts, all others one text.
 * Kept apart from the rows because zod takes longer to load than `--help` may take to answer.
 *
 * @param home the directory that `~/` stands for
 */
export function schemaOf(kind: Kind, home: string): z.ZodType {
  switch (kind.type) {
    case 'text':
      return kind.pattern ? z.string().regex(kind.pattern) : z.string()
    case 'number':
      return numberSchema(kind)
    case 'flag':
      return z.stringbool({ truthy: ['true', 't', 'yes', 'y', '1'], falsy: ['false', 'f', 'no', 'n', '0'] })
    case 'choice':
      return choiceSchema(kind.values, kind.synonyms)
    case 'list':
      return z.array(schemaOf(kind.of, home)).transform((items) => [...new Set(items)])
    case 'hostPort':
      return readBy(parseHostPort)
    case 'broker':
      return readBy(parseBroker)
    case 'listenAddress':
      return readBy((text) => (kind.off && text.toLowerCase() === 'off' ? 'off' : parseListenAddress(text)))
    case 'path':
      return z
        .string()
        .min(1)
        .transform((path) => path.replace(/^~(?=\/|$)/, home))
    case 'url':
      return z
        .url({ protocol: /^https?$/, hostname: /./ })
        .refine((address) => !hasUserInfo(address))
        .transform((address) => address.replace(/\/+$/, ''))
    case 'pattern':
      return readBy(parsePattern)
    case 'fileMode':
      return z
        .string()
        .regex(/^0?[0-7]{3}$/)
        .transform((digits) => Number.parseInt(digits, 8))
    case 'moment':
      return readBy((text) => (kind.words.includes(text.toLowerCase()) ? text.toLowerCase() : parseTime(text)))
  }
}

function numberSchema({ whole, min, max }: Extract<Kind, { type: 'number' }>): z.ZodType {
  const digits = whole ? /^[+-]?\d+$/ : /^[+-]?(\d+\.?\d*|\.\d+)$/
  return z.string().regex(digits).transform(Number).pipe(z.number().min(min).max(max))
}

function choiceSchema(values: readonly string[], synonyms: Readonly<Record<string, string>>): z.ZodType {
  const known = new Map([...Object.entries(synonyms), ...values.map((value) => [value, value] as const)])
  return readBy((text) => known.get(text.toLowerCase()))
}

/** A schema of a function that gives undefined for what it cannot read. */
function readBy<Value>(read: (text: string) => Value | undefined): z.ZodType {
  return z.string().transform((text, context) => {
    const value = read(text.trim())
    if (value === undefined) context.addIssue({ code: 'custom', message: 'unreadable' })
    return value
  })
}

// kafkajs splits an address at its colons and takes the first two parts, so an IPv6 literal cannot reach it whole.
function parseBroker(text: string): string | undefined {
  const port = Number(/^[^\s:/@[\]]+:(\d{1,5})$/.exec(text)?.[1])
  return port >= 1 && port <= 65_535 ? text : undefined
}

// An address is told in logs and messages, so it is no place for a password; and node-fetch takes none there.
function hasUserInfo(address: string): boolean {
  if (!URL.canParse(address)) return false
  const { username, password } = new URL(address)
  return username !== '' || password !== ''
}

// Kafka's Java consumer matched its pattern against whole names, so `metrics-.*` must not match `my-metrics-x`.
function parsePattern(text: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:${text})$`)
  } catch {
    return undefined
  }
}

function parseTime(text: string): { timeMs: number } | undefined {
  const timeMs = /^\d+$/.test(text) ? Number(text) : Date.parse(text)
  return Number.isSafeInteger(timeMs) ? { timeMs } : undefined
}
