import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const parts = ['proxy', 'collector', 'consume', 'bus', 'start', 'end-to-end', 'growth']
const builtProgram = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url))

export const usage = `node test/bench/run.js [options], after npm run build

  --only PARTS    of ${parts.join(',')}; all of them unless given
  --case WORDS    only cases whose name has these words
  --quick         about a minute: does it run, does it count, is nothing lost?
  --rounds N      how often floor and product take turns; 5 unless given, 1 with --quick
  --program FILE  another build's dist/cli.js
  --profile DIR   CPU profiles of the product's processes
  --json FILE     all figures as JSON
  --update        the table in test/bench/README.md is replaced
  --help
`

/** A command line that cannot be meant. */
export class UsageError extends Error {}

/** @throws UsageError */
export function readOptions(args) {
  const options = parse(args)
  const only = options.only.split(',')
  const unknown = only.filter((part) => !parts.includes(part))
  if (unknown.length > 0)
    throw new UsageError(`--only: no part is called ${unknown.map((part) => `"${part}"`).join(', ')}.`)
  const rounds = options.rounds === undefined ? undefined : Number(options.rounds)
  if (rounds !== undefined && !(Number.isSafeInteger(rounds) && rounds > 0))
    throw new UsageError(`--rounds: expected a whole number from 1 on, got ${options.rounds}.`)
  if (!options.help && !existsSync(options.program))
    throw new UsageError(`There is no program ${options.program}: npm run build makes the usual one.`)
  return { ...options, only, rounds }
}

function parse(args) {
  try {
    return parseArgs({
      args,
      options: {
        quick: { type: 'boolean', default: false },
        case: { type: 'string', default: '' },
        only: { type: 'string', default: parts.join(',') },
        rounds: { type: 'string' },
        program: { type: 'string', default: builtProgram },
        profile: { type: 'string' },
        json: { type: 'string' },
        update: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    throw new UsageError(error.message)
  }
}
