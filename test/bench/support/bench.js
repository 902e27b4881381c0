import { arch, cpus, platform, release, totalmem } from 'node:os'
import { short } from './figures.js'
import { endAll, pinning } from './processes.js'

/**
 * @typedef {object} Figure
 * @property {string} part
 * @property {string} case
 * @property {string} subject whom it is about: dcos-stats, a floor, a peer
 * @property {string} unit of `cpu` and `wall`, or of `value`
 * @property {number} [cpu] user and system time of the measured process
 * @property {number} [wall]
 * @property {number} [value] what is neither of both
 * @property {string} [base] what `ratio` is a ratio to; the floor of the case where it is not given
 * @property {number} [ratio] median of the ratios within the rounds
 * @property {number} [target] what `ratio` (or else `value`) may be at most
 * @property {boolean} [atLeast] the target is a lower bound
 */

/** Nothing is begun that would not be done by then: everything together takes ten minutes at most, also on a busy machine. */
const limitSeconds = 10 * 60
/** What a measurement takes unless it says so, with some to spare. */
const usualSeconds = 45

/** Keeps what was measured and what went wrong; knows how long a round may take. */
export function createBench({ dir, program, quick, caseName = '', rounds = quick ? 1 : 5 }) {
  const startedMs = performance.now()
  /** @type {Figure[]} */
  const figures = []
  const failures = []
  const unmeasured = []
  const peers = new Map()
  const say = (text) => process.stderr.write(`${text}\n`)

  return {
    dir,
    program,
    quick,
    rounds,
    isWanted: (name) => name.includes(caseName),
    /** How much of a load is put on: a tenth where only the counts matter. */
    share: (count) => Math.ceil(quick ? count / 10 : count),
    /** On a busy machine a round is shorter rather than longer than this. */
    roundLimitSeconds: 4,
    /** Does one measurement, of about so many seconds at most; where it fails the others go on, and the bench fails at its end. */
    async step(name, measure, seconds = usualSeconds) {
      const stepMs = performance.now()
      if ((stepMs - startedMs) / 1000 + seconds > limitSeconds) {
        say(`${name}: not measured, the time is over`)
        unmeasured.push(name)
        return
      }
      try {
        await measure()
        say(`${name}: ${((performance.now() - stepMs) / 1000).toFixed(1)} s`)
      } catch (error) {
        failures.push({ step: name, error: error.message })
        say(`${name}: FAILED, ${error.stack}`)
      } finally {
        // What failed may have left something running.
        endAll()
      }
    },
    /** @param {Figure} figure */
    report(figure) {
      figures.push(figure)
    },
    tellPeer(name, isThere) {
      if (!isThere && !peers.has(name)) say(`${name} is not on the PATH: not compared`)
      peers.set(name, isThere)
    },
    results: () => ({
      when: new Date().toISOString(),
      seconds: Math.round((performance.now() - startedMs) / 1000),
      quick,
      rounds,
      machine: { ...machine(), pinning },
      peers: Object.fromEntries(peers),
      figures: figures.map((figure) => ({ ...figure, ...verdictOf(figure) })),
      failures,
      unmeasured,
    }),
    table: () => renderTable(figures),
  }
}

function machine() {
  const [cpu] = cpus()
  return {
    cpu: cpu?.model ?? 'unknown',
    cores: cpus().length,
    memoryGbytes: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
  }
}

function verdictOf({ target, ratio, value, atLeast }) {
  const figure = ratio ?? value
  if (target === undefined || figure === undefined) return {}
  return { met: atLeast ? figure >= target : figure <= target }
}

const columns = ['part', 'case', 'subject', 'CPU', 'wall', 'value', 'unit', 'ratio', 'target', '']

/** As Markdown; it is readable as it is. */
function renderTable(figures) {
  const rows = figures.map((figure) => [
    figure.part,
    figure.case,
    figure.subject,
    optional(figure.cpu),
    optional(figure.wall),
    optional(figure.value),
    figure.unit,
    figure.ratio === undefined ? '' : `${figure.ratio.toFixed(2)}${figure.base ? ` × ${figure.base}` : ''}`,
    figure.target === undefined ? '' : `${figure.atLeast ? '≥' : '≤'} ${figure.target}`,
    { true: 'met', false: 'MISSED' }[String(verdictOf(figure).met)] ?? '',
  ])
  const widths = columns.map((title, at) => Math.max(title.length, 3, ...rows.map((row) => row[at].length)))
  const line = (cells) => `| ${cells.map((cell, at) => cell.padEnd(widths[at])).join(' | ')} |`
  return [line(columns), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

function optional(figure) {
  return figure === undefined ? '' : short(figure)
}
