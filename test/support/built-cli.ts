import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const project = fileURLToPath(new URL('../..', import.meta.url))

export interface BuiltCli {
  /** The path of the program. */
  readonly path: string
  readonly home: string
  /** Puts another module in a command's place: to see what the program does around it. */
  replaceCommand(name: string, source: string): Promise<void>
  remove(): Promise<void>
}

/** Compiles the sources into a directory of their own, so that no other build of the moment is in the way. */
export async function buildCli(): Promise<BuiltCli> {
  const home = await mkdtemp(join(tmpdir(), 'dcos-stats-cli-'))
  await Promise.all([
    copyFile(join(project, 'package.json'), join(home, 'package.json')),
    symlink(join(project, 'node_modules'), join(home, 'node_modules'), 'dir'),
    symlink(join(project, 'schema'), join(home, 'schema'), 'dir'),
    symlink(join(project, 'web'), join(home, 'web'), 'dir'),
    symlink(join(project, 'samples'), join(home, 'samples'), 'dir'),
    compile(join(home, 'dist')),
  ])
  return {
    path: join(home, 'dist', 'cli.js'),
    home,
    replaceCommand: (name, source) => writeFile(join(home, 'dist', 'commands', `${name}.js`), source),
    remove: () => rm(home, { recursive: true, force: true }),
  }
}

// Emitting is what counts: that the types are right is the lint's to say.
function compile(outDir: string): Promise<void> {
  const compiler = join(project, 'node_modules', 'typescript', 'bin', 'tsc')
  const args = [compiler, '-p', join(project, 'tsconfig.build.json'), '--outDir', outDir]
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { cwd: project }, (error, stdout) => {
      if (existsSync(join(outDir, 'cli.js'))) resolve()
      else reject(new Error(`tsc failed: ${error?.message}\n${stdout}`))
    })
  })
}
