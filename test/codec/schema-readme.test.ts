import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { createOcfReader, encodeContainerFile } from '../../src/codec/avro-ocf.js'
import { metricListType } from '../../src/codec/avro-schema.js'
import { decodeDatapoints, encodeDatapoints } from '../../src/codec/datapoints.js'
import type { MetricList } from '../../src/model/metric-list.js'

const root = new URL('../../', import.meta.url)

async function readmeCode(language: string): Promise<string[]> {
  const text = await readFile(new URL('schema/README.md', root), 'utf8')
  return [...text.matchAll(/```(\w+)\n([\s\S]*?)```/g)]
    .filter(([, name]) => name === language)
    .map(([, , code]) => code!)
}

test('the sample is a list of the schema', async () => {
  const sample = JSON.parse(await readFile(new URL('schema/sample.json', root), 'utf8'))
  expect(metricListType.isValid(sample, { noUndeclaredFields: true })).toBe(true)
})

test("the README's Node program sends what we read", async () => {
  const [send] = await readmeCode('js')
  const folder = await mkdtemp(join(tmpdir(), 'readme-'))
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await symlink(fileURLToPath(new URL('node_modules', root)), join(folder, 'node_modules'))
  await writeFile(join(folder, 'send.mjs'), send!.replace('8124', String(port)))
  const child = spawn(process.execPath, [join(folder, 'send.mjs')], { cwd: fileURLToPath(root) })
  const [socket] = await once(server, 'connection')
  const reader = createOcfReader()
  const lists: MetricList[] = []
  while (lists.length === 0) lists.push(...reader.push((await once(socket, 'data'))[0]))
  child.kill()
  server.close()
  await rm(folder, { recursive: true })
  expect(reader.fault).toBeUndefined()
  expect(lists[0]).toMatchObject({ topic: 'my-daemon', tags: [{ key: 'pid', value: String(child.pid) }] })
  expect(decodeDatapoints(lists[0]!.datapoints)).toMatchObject([{ name: 'heap.used' }])
})

test("the README's Node program reads what we put on the bus", async () => {
  const [, read] = await readmeCode('js')
  const folder = await mkdtemp(join(tmpdir(), 'readme-'))
  await symlink(fileURLToPath(new URL('node_modules', root)), join(folder, 'node_modules'))
  await writeFile(join(folder, 'read.mjs'), read!)
  const { readMessage } = await import(pathToFileURL(join(folder, 'read.mjs')).href)
  const datapoints = encodeDatapoints([{ name: 'n', timeMs: 5, value: 1.5 }])
  const message = encodeContainerFile([{ topic: 't', tags: [{ key: 'a', value: 'b' }], datapoints }])
  const lists = await readMessage(message)
  await rm(folder, { recursive: true })
  expect(JSON.parse(JSON.stringify(lists))).toEqual([
    { topic: 't', tags: [{ key: 'a', value: 'b' }], datapoints: [{ name: 'n', time_ms: 5, value: 1.5 }] },
  ])
})
