import { dirname, join } from 'node:path/posix'

/** A source tree: text by path below `src`, with `/` between folders. */
export type SourceTree = Readonly<Record<string, string>>

/** From the bottom up; a folder imports from rows below its own, never from its own row's other folders. */
const ranks: readonly (readonly string[])[] = [
  ['platform'],
  ['model'],
  ['codec', 'tagging', 'options', 'telemetry'],
  ['agent', 'containers', 'bus'],
  ['inputs', 'outputs'],
  ['pipeline'],
  ['commands'],
  ['cli.ts'],
]

/** The pipeline knows what an input and an output is, and none of them. */
const pipelineSees = new Set(['inputs/source.ts', 'outputs/sink.ts', 'outputs/tap.ts'])

/** Programs of their own: they may read their command line. */
const programs = new Set(['cli.ts', 'options/docs.ts'])

/** Folders that neither open anything nor wait for anything. */
const pureFolders = new Set(['model', 'codec', 'tagging'])
const outsideWorld = /^node:(net|dgram|http|https|http2|tls|dns|child_process|cluster|worker_threads|timers)(\/|$)/

/** Everything in the tree that breaks the house's rules, a line each; empty where it keeps them. */
export function findViolations(tree: SourceTree): string[] {
  const code = Object.fromEntries(Object.entries(tree).map(([path, source]) => [path, withoutComments(source)]))
  return [
    ...Object.entries(code).flatMap(([path, source]) => [
      ...importsOf(source).flatMap((specifier) => wrongImport(path, specifier)),
      ...processUse(path, source),
    ]),
    ...findCycles(code),
  ]
}

function wrongImport(path: string, specifier: string): string[] {
  const folder = folderOf(path)
  if (!specifier.startsWith('.')) return wrongLibrary(path, folder, specifier)
  const target = resolveImport(path, specifier)
  const targetFolder = folderOf(target)
  if (folder === 'pipeline' && ['inputs', 'outputs'].includes(targetFolder) && !pipelineSees.has(target)) {
    return [`${path} imports ${target}: the pipeline sees only ${[...pipelineSees].join(' and ')}`]
  }
  if (folder === targetFolder) return []
  const [rank, targetRank] = [rankOf(folder), rankOf(targetFolder)]
  if (rank === -1) return [`${path}: the folder ${folder} has no place in the house`]
  if (targetRank === -1) return [`${path} imports ${target}, which is outside the house`]
  if (targetRank < rank) return []
  return [`${path} imports ${target}: ${folder} may not know ${targetFolder}`]
}

function wrongLibrary(path: string, folder: string, specifier: string): string[] {
  if (folder === 'model') return [`${path} imports ${specifier}: the model has no libraries`]
  if (pureFolders.has(folder) && outsideWorld.test(specifier))
    return [`${path} imports ${specifier}: ${folder} is pure`]
  return []
}

function processUse(path: string, source: string): string[] {
  if (programs.has(path)) return []
  const uses = [
    /\bprocess\s*\??\.\s*(env|argv|exit|exitCode)\b/,
    /\bprocess\s*(\?\.\s*)?\[/,
    /=\s*(globalThis\s*\.\s*)?process\b(?!\s*[.?[])/,
    /['"](node:)?process['"]/,
  ]
  return uses.some((use) => use.test(source))
    ? [`${path} reaches for the process: only cli.ts reads argv and environment and exits`]
    : []
}

/** Each cycle once, as `a.ts -> b.ts -> a.ts`, beginning at its first file in alphabetical order. */
function findCycles(tree: SourceTree): string[] {
  const cycles = new Set<string>()
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start !== -1) cycles.add(describeCycle(trail.slice(start)))
    if (start !== -1 || done.has(path)) return
    for (const specifier of importsOf(tree[path] ?? '').filter((name) => name.startsWith('.'))) {
      visit(resolveImport(path, specifier), [...trail, path])
    }
    done.add(path)
  }
  for (const path of Object.keys(tree).sort()) visit(path, [])
  return [...cycles]
}

function describeCycle(files: readonly string[]): string {
  const first = files.indexOf([...files].sort()[0]!)
  const turned = [...files.slice(first), ...files.slice(0, first)]
  return `cycle: ${[...turned, turned[0]].join(' -> ')}`
}

/** What a file imports, types too: an arrow is an arrow. */
function importsOf(source: string): string[] {
  const forms =
    /\b(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g
  return [...source.matchAll(forms)].map(([, from, bare, lazy]) => (from ?? bare ?? lazy)!)
}

function resolveImport(path: string, specifier: string): string {
  return join(dirname(path), specifier).replace(/\.js$/, '.ts')
}

function folderOf(path: string): string {
  return path.split('/')[0]!
}

function rankOf(folder: string): number {
  return ranks.findIndex((row) => row.includes(folder))
}

// Comments only: a text with `//` in it (an address) must stay whole, or the rest of its line would be lost.
function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\/|(^|[\s;{}(),])\/\/[^\n]*/g, '$1')
}
