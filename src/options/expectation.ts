import type { Kind } from './option.js'

/** What a kind of option takes, as the second half of `expected ...`. */
export function expectation(kind: Kind): string {
  switch (kind.type) {
    case 'text':
      return kind.expects ?? 'a text'
    case 'number':
      return `a ${kind.whole ? 'whole ' : ''}number from ${kind.min} to ${kind.max}`
    case 'flag':
      return 'true or false'
    case 'choice':
      return `one of ${kind.values.join(', ')}`
    case 'list':
      return expectationOfList(kind.of)
    case 'hostPort':
      return 'HOST:PORT (an IPv6 address in brackets)'
    case 'broker':
      return 'HOST:PORT (a name or an IPv4 address)'
    case 'listenAddress':
      return kind.off ? 'HOST:PORT, unix:PATH or off' : 'HOST:PORT or unix:PATH'
    case 'path':
      return kind.placeholder === 'FILE' ? 'the path of a file' : 'the path of a directory'
    case 'url':
      return 'an address that begins with http:// or https://, without user and password'
    case 'pattern':
      return 'a regular expression'
    case 'fileMode':
      return 'permissions in octal, such as 0660'
    case 'moment': {
      const time = 'a time (2024-05-01T12:00:00Z, or milliseconds since 1970)'
      return [...kind.words, time].join(', ').replace(/, ([^,]*2024)/, ' or $1')
    }
  }
}

function expectationOfList(item: Kind): string {
  if (item.type === 'choice') return `some of ${item.values.join(', ')}`
  return item.type === 'text' ? 'texts separated by commas' : `${expectation(item)}, several separated by commas`
}

/** What stands for the value in `--help` and README; undefined where a flag needs none. */
export function placeholder(kind: Kind): string | undefined {
  switch (kind.type) {
    case 'text':
    case 'path':
      return kind.placeholder
    case 'number':
      return kind.whole ? 'N' : 'NUMBER'
    case 'flag':
      return undefined
    case 'choice':
      return kind.values.join('|')
    case 'list':
      return `${placeholder(kind.of)},...`
    case 'hostPort':
    case 'broker':
      return 'HOST:PORT'
    case 'listenAddress':
      return kind.off ? 'HOST:PORT|unix:PATH|off' : 'HOST:PORT|unix:PATH'
    case 'url':
      return 'URL'
    case 'pattern':
      return 'REGEX'
    case 'fileMode':
      return 'MODE'
    case 'moment':
      return [...kind.words, 'TIME'].join('|')
  }
}
