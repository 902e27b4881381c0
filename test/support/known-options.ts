import { commands, workingCommands } from '../../src/commands/index.js'
import { type OptionRows, variablesOf } from '../../src/options/option.js'

export interface KnownOptions {
  /** Without dashes; other spellings and files of secrets too. */
  readonly flags: ReadonlySet<string>
  readonly variables: ReadonlySet<string>
}

/** What a command takes, for tests of files that are written for it. */
export function knownOptions(command: string): KnownOptions {
  const found = workingCommands.find(({ name }) => name === command)
  if (found === undefined) throw new Error(`There is no command "${command}"`)
  return namesIn(found.options)
}

/** Of all commands together, those about other commands too. */
export function everyOption(): KnownOptions {
  const all = commands.map(({ options }) => namesIn(options))
  return {
    flags: new Set(all.flatMap(({ flags }) => [...flags])),
    variables: new Set(all.flatMap(({ variables }) => [...variables])),
  }
}

function namesIn(rows: OptionRows): KnownOptions {
  const offered = Object.entries(rows).filter(([, row]) => !row.notYet)
  return {
    flags: new Set(
      offered.flatMap(([name, { aliases = [], secret }]) => [name, ...aliases, ...(secret ? [`${name}-file`] : [])]),
    ),
    variables: new Set(
      offered.flatMap(([name, row]) => {
        const variables = variablesOf(name, row)
        return row.secret ? [...variables, ...variables.map((variable) => `${variable}_FILE`)] : variables
      }),
    ),
  }
}
