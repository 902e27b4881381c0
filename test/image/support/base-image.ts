import { cp, mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { command, type Docker } from './docker.js'

export const baseImage = 'local/node:22-bookworm-slim'

/** Where this machine keeps the certificates that it trusts; a proxy's own may be among them. */
const certificates = '/etc/ssl/certs/ca-certificates.crt'

/**
 * A stand-in for `node:22-bookworm-slim`, made without a registry of images: Debian by its packages (kept for the next time),
 * Node 22 and npm by npm, and the user `node`.
 */
export async function makeBaseImage(docker: Docker['run']): Promise<string> {
  await docker('import', await debianTar(), 'local/debian:bookworm')
  const context = await mkdtemp(join(tmpdir(), 'dcos-stats-base-'))
  try {
    const { stdout } = await command('npx', ['-y', '-p', 'node@22', '-c', 'command -v node'])
    await cp(stdout.trim(), join(context, 'node'), { dereference: true })
    const modules = (await command('npm', ['root', '-g'])).stdout.trim()
    await cp(join(modules, 'npm'), join(context, 'npm'), { recursive: true })
    await cp(certificates, join(context, 'ca.crt'), { dereference: true })
    await writeFile(join(context, 'Dockerfile'), dockerfile)
    await docker('build', '-t', baseImage, context)
    return baseImage
  } finally {
    await rm(context, { recursive: true, force: true })
  }
}

const dockerfile = `FROM local/debian:bookworm
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
COPY ca.crt /etc/ssl/certs/ca-certificates.crt
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \\
 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx \\
 && groupadd -g 1000 node && useradd -u 1000 -g 1000 -m -s /bin/bash node
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
CMD ["node"]
`

async function debianTar(): Promise<string> {
  const path = join(cacheFolder(), 'debian-bookworm.tar')
  if (await exists(path)) return path
  await mkdir(dirname(path), { recursive: true })
  const made = `${path}.${process.pid}.tar`
  try {
    await command('mmdebstrap', ['--variant=minbase', '--include=ca-certificates', 'bookworm', made])
    await rename(made, path)
  } finally {
    await rm(made, { force: true })
  }
  return path
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

function cacheFolder(): string {
  const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..')
  return join(process.env.XDG_CACHE_HOME ?? join(root, 'node_modules', '.cache'), 'dcos-stats')
}
