import { ExitCode, StatsError } from '../platform/errors.js'
import type { Mistake } from './mistake.js'

/**
 * One error for all mistakes, a line each.
 * A wrong command line is wrong usage (2). Where only variables and files are wrong, the configuration is (78): whoever
 * restarts a service can tell that another start will not help.
 */
export function refusal(command: string, mistakes: readonly Mistake[]): StatsError {
  const count = mistakes.length === 1 ? 'one mistake' : `${mistakes.length} mistakes`
  const lines = mistakes.map(({ text }) => `  ${text}`)
  const advice = `See 'dcos-stats ${command} --help'.`
  return new StatsError('DS_OPTIONS', [`${count} in the options`, ...lines, advice].join('\n'), {
    exitCode: exitCodeOf(mistakes),
  })
}

function exitCodeOf(mistakes: readonly Mistake[]): number {
  const configured = mistakes.every(({ origin }) => origin.from === 'variable' || origin.from === 'file')
  return configured ? ExitCode.config : ExitCode.usage
}
