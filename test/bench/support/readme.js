import { readFileSync, writeFileSync } from 'node:fs'

const path = new URL('../README.md', import.meta.url)
const begin = '<!-- newest table: written by `npm run bench -- --update` -->'
const end = '<!-- end of the newest table -->'

/** Puts the table into README.md, with when and where it was measured. */
export function updateReadme({ when, seconds, rounds, machine, peers }, table) {
  const text = readFileSync(path, 'utf8')
  const [before, rest] = text.split(begin)
  const after = rest?.split(end)[1]
  if (after === undefined) throw new Error(`README.md has no place for the table: ${begin} ... ${end}`)
  const { cpu, cores, memoryGbytes, system, node, pinning } = machine
  const missing = Object.keys(peers).filter((name) => !peers[name])
  const facts = [
    `${when.slice(0, 10)}, ${rounds} rounds, ${seconds} s in all; ${cores} × ${cpu}, ${memoryGbytes} GiB, ${system}, Node ${node}; ${pinning}.`,
    missing.length === 0 ? '' : ` Not on the PATH, so not compared: ${missing.join(', ')}.`,
  ].join('')
  writeFileSync(path, `${before}${begin}\n\n${facts}\n\n${table}\n\n${end}${after}`)
}
