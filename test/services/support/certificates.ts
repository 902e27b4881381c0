import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Certificates {
  readonly caFile: string
  readonly clientCertFile: string
  readonly clientKeyFile: string
  /** Key and certificate in one file, as Kafka's PEM key store wants it. */
  readonly serverStore: string
}

/** A certificate authority of its own, with a certificate for 127.0.0.1 and localhost and one for a client. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const openssl = (...args: string[]) => run('openssl', args, { cwd: folder })
  const keyOptions = ['-newkey', 'rsa:2048', '-nodes']
  await openssl(
    'req',
    '-x509',
    ...keyOptions,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '2',
    '-subj',
    '/CN=test CA',
  )
  await writeFile(join(folder, 'server.ext'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
  await writeFile(join(folder, 'client.ext'), 'extendedKeyUsage=clientAuth\n')
  for (const name of ['server', 'client']) {
    await openssl('req', ...keyOptions, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', `${name}.ext`]
    await openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...signing)
  }
  const store = await Promise.all(['server.key', 'server.pem'].map((name) => readFile(join(folder, name), 'utf8')))
  await writeFile(join(folder, 'server-store.pem'), store.join('\n'))
  return {
    caFile: join(folder, 'ca.pem'),
    clientCertFile: join(folder, 'client.pem'),
    clientKeyFile: join(folder, 'client.key'),
    serverStore: join(folder, 'server-store.pem'),
  }
}
