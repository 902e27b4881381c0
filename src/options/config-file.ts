import { messageOf } from '../platform/errors.js'

/** What a config file says: for each key the texts it gives, or what is wrong with the file as a whole. */
export type ConfigFile =
  | { readonly values: ReadonlyMap<string, readonly string[]>; readonly unreadable: readonly string[] }
  | { readonly fault: string }

/**
 * Reads a YAML file of option names and values. Values are scalars or lists of scalars; they become texts, so that
 * they are checked like those of a flag. A key without a value counts as not given.
 *
 * @returns values by key, and the keys whose value is neither scalar nor list
 */
export async function readConfigFile(path: string, readFile: (path: string) => string): Promise<ConfigFile> {
  let content: string
  try {
    content = readFile(path)
  } catch (cause) {
    return { fault: `cannot be read: ${messageOf(cause)}` }
  }
  // Only who has a config file waits for the library to load.
  const { parseDocument } = await import('yaml')
  const document = parseDocument(content)
  const [error] = document.errors
  if (error) return { fault: `is not YAML: ${error.message.split('\n')[0]?.replace(/:$/, '')}` }
  const tree: unknown = document.toJS()
  if (tree === null) return { values: new Map(), unreadable: [] }
  if (typeof tree !== 'object' || Array.isArray(tree)) return { fault: 'expected `name: value` lines' }
  return flatten(Object.entries(tree))
}

function flatten(entries: readonly (readonly [string, unknown])[]): ConfigFile {
  const values = new Map<string, readonly string[]>()
  const unreadable: string[] = []
  for (const [key, value] of entries) {
    if (value === null) continue
    const items: readonly unknown[] = Array.isArray(value) ? value : [value]
    if (items.every(isScalar)) values.set(key, items.map(String))
    else unreadable.push(key)
  }
  return { values, unreadable }
}

function isScalar(value: unknown): value is string | number | boolean | bigint {
  return ['string', 'number', 'boolean', 'bigint'].includes(typeof value)
}
