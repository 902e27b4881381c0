import { spawn } from 'node:child_process'
import { Writable } from 'node:stream'
import { createStdoutSink, stdoutFormats } from '../../src/outputs/stdout.js'
import { listOf, point, runSinkContract, type SinkBench } from '../support/sink-contract.js'

const never = new AbortController().signal

describe.each(stdoutFormats)('stdout as %s', (format) => {
  runSinkContract({
    takesNotFinite: format === 'json' || format === 'pretty',
    present: async () => present(format),
    hanging: async () => ({ sink: createStdoutSink({ out: neverTaking(), format }), dispose: async () => {} }),
  })
})

function present(format: (typeof stdoutFormats)[number]): SinkBench {
  const { out, text } = collector()
  return {
    sink: createStdoutSink({ out, format }),
    values: async () => valuesIn(text(), format),
    dispose: async () => {},
  }
}

function valuesIn(text: string, format: string): number[] {
  const lines = text.split('\n').filter(Boolean)
  switch (format) {
    case 'json':
      return lines.map((line) => JSON.parse(line).value)
    case 'pretty':
      return lines.filter((line) => line.startsWith('  ')).map((line) => Number(line.split(' ').at(-1)))
    case 'influx':
      return lines.map((line) => Number(/=([^=]+) \d+$/.exec(line)?.[1]))
    default:
      return lines.map((line) => Number(line.split(' ')[1]))
  }
}

test('a write is answered only when the reader has taken it, so a slow reader slows the sink', async () => {
  let release = () => {}
  const out = new Writable({
    write(_chunk, _encoding, done) {
      release = done
    },
  })
  const sink = createStdoutSink({ out, format: 'json' })
  await sink.open(never)
  let answered = false
  const write = sink.write([listOf([point('a', 1)])], never).then((result) => {
    answered = true
    return result
  })
  await new Promise((resolve) => setImmediate(resolve))
  expect(answered).toBe(false)
  release()
  expect(await write).toEqual({ status: 'sent', datapoints: 1 })
  await sink.close()
})

test('when the reader of a real pipe goes away, as head does, write rejects with exit code 0', async () => {
  const head = spawn('head', ['-n', '1'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const sink = createStdoutSink({ out: head.stdin, format: 'json' })
  await sink.open(never)
  const writeOn = async () => {
    for (let value = 0; ; value++) await sink.write([listOf([point('a', value)])], never)
  }
  await expect(writeOn()).rejects.toMatchObject({ code: 'DS_STDOUT_CLOSED', exitCode: 0 })
  await sink.close()
  let seen = ''
  for await (const chunk of head.stdout) seen += chunk
  expect(seen).toBe('{"topic":"t","tags":{},"name":"a","time_ms":1700000000123,"value":0}\n')
})

test('an output that cannot be written, such as a full disk, ends the process with the reason', async () => {
  const out = new Writable({
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }))
    },
  })
  const sink = createStdoutSink({ out, format: 'json' })
  await sink.open(never)
  await expect(sink.write([listOf([point('a', 1)])], never)).rejects.toMatchObject({
    code: 'DS_STDOUT_FAILED',
    exitCode: 1,
    message: expect.stringContaining('no space left'),
  })
  await sink.close()
})

function collector(): { out: Writable; text: () => string } {
  const chunks: Buffer[] = []
  const out = new Writable({
    write(chunk, _encoding, done) {
      // What was taken is not to be looked at any more: the memory is used again.
      chunks.push(Buffer.from(chunk))
      done()
    },
  })
  return { out, text: () => Buffer.concat(chunks).toString() }
}

function neverTaking(): Writable {
  return new Writable({ write() {} })
}
