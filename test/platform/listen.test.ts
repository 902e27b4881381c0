import { once } from 'node:events'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ListenAddress } from '../../src/platform/hosts.js'
import { type Listening, listenAt } from '../../src/platform/listen.js'

const options = { option: '--x-listen', errorCode: 'DS_X' } as const
const open: Listening[] = []
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dcos-stats-listen-'))
})

afterEach(async () => {
  for (const listening of open.splice(0)) await listening.close()
  await rm(folder, { recursive: true, force: true })
})

async function listen(address: ListenAddress, server: Server = createServer((socket) => socket.end('hello'))) {
  const listening = await listenAt(server, address, options)
  open.push(listening)
  return listening
}

async function greeting({ address }: Listening): Promise<string> {
  const socket = connect(address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port })
  const [bytes] = await once(socket, 'data')
  socket.destroy()
  return String(bytes)
}

const unix = (name: string): ListenAddress => ({ kind: 'unix', path: join(folder, name) })

test('port 0 lets the kernel choose, and says what it chose', async () => {
  const listening = await listen({ kind: 'tcp', host: '127.0.0.1', port: 0 })
  expect(listening.address).toEqual({ kind: 'tcp', host: '127.0.0.1', port: expect.any(Number) })
  expect(await greeting(listening)).toBe('hello')
})

test('several unix sockets can be opened in one folder at the same time, and leave nothing else there', async () => {
  const names = ['a', 'b', 'c', 'd']
  const all = await Promise.all(names.map((name) => listen(unix(name))))
  expect(await Promise.all(all.map(greeting))).toEqual(names.map(() => 'hello'))
  expect((await readdir(folder)).sort()).toEqual(names)
  for (const listening of open.splice(0)) await listening.close()
  expect(await readdir(folder)).toEqual([])
})

test('a unix socket is for owner and group unless another mode is given', async () => {
  await listen(unix('a'))
  expect((await stat(join(folder, 'a'))).mode & 0o777).toBe(0o660)
  open.push(await listenAt(createServer(), unix('b'), { ...options, socketMode: 0o600 }))
  expect((await stat(join(folder, 'b'))).mode & 0o777).toBe(0o600)
})

test.each<[what: string, address: () => ListenAddress, message: RegExp]>([
  [
    'a port that is taken',
    () => open[0]!.address,
    /^--x-listen 127\.0\.0\.1:\d+ cannot be used: the port is taken by another process/,
  ],
  ['a path that the kernel has no room for', () => unix('x'.repeat(108)), /at most 107 bytes; choose a shorter one$/],
  ['a folder that is not there', () => unix('missing/a'), /^--x-listen unix:\/.*missing\/a cannot be used: /],
  ['an address of another machine', () => ({ kind: 'tcp', host: '192.0.2.1', port: 0 }), /192\.0\.2\.1:0/],
])('%s is refused with the option that gave it', async (_what, address, message) => {
  await listen({ kind: 'tcp', host: '127.0.0.1', port: 0 })
  await expect(listen(address())).rejects.toMatchObject({
    code: 'DS_X',
    exitCode: 69,
    message: expect.stringMatching(message),
  })
})
