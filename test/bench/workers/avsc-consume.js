// What a consumer costs that decodes with avsc and prints with template strings. It reads the bus as the product does.
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import avsc from 'avsc'
import { answer, settings } from './answer.js'
import { importProduct, metricListType } from './blocks.js'

const { program, busDir, topic, sink, port } = settings
const { createEmbeddedBus } = await importProduct(program, 'bus/embedded.js')
const { Counters } = await importProduct(program, 'telemetry/counters.js')

const longType = avsc.Type.forSchema('long')
const syncBytes = 16
const stop = new AbortController()
let datapoints = 0

const lineOf = {
  stdout: ({ topic, tags, name, timeMs, value }) =>
    `{"topic":"${topic}","tags":{${tags.map(({ key, value }) => `"${key}":"${value}"`).join(',')}},"name":"${name}","time_ms":${timeMs},"value":${value}}\n`,
  influx: ({ tags, name, timeMs, value }) =>
    `dcos,${tags.map(({ key, value }) => `${key}=${value}`).join(',')} ${name}=${value} ${timeMs}\n`,
  graphite: ({ ids, name, timeMs, value }) => `${ids}.${name} ${value} ${Math.floor(timeMs / 1000)}\n`,
}[sink]

const write = await { stdout: toNowhere, influx: toInflux, graphite: toCarbon }[sink]()
const log = { debug() {}, info() {}, warn() {}, error() {} }
const bus = createEmbeddedBus({ dir: busDir, log, counters: new Counters() })
await bus.open(stop.signal)
bus.subscribe({ topics: [topic], group: `avsc-${sink}`, from: 'earliest' }, onBatch, stop.signal)

answer({ count: () => datapoints })

async function onBatch(messages) {
  let text = ''
  for (const { bytes } of messages) {
    for (const list of listsOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))) text += linesOf(list)
  }
  await write(text)
}

/** Headers differ only in their marker, so the schema is not read again for each message: that would take far longer. */
function listsOf(bytes) {
  let at = headerLength(bytes)
  const lists = []
  while (at < bytes.length) {
    const count = longType.decode(bytes, at)
    at = longType.decode(bytes, count.offset).offset
    for (let left = count.value; left > 0; left--) {
      const { value, offset } = metricListType.decode(bytes, at)
      lists.push(value)
      at = offset
    }
    at += syncBytes
  }
  return lists
}

function headerLength(bytes) {
  return bytes.indexOf(0, bytes.indexOf('avro.schema') + 'avro.schema'.length + 2) + 1 + syncBytes
}

function linesOf({ topic, tags, datapoints: points }) {
  datapoints += points.length
  const ids = tags
    .slice(0, 3)
    .map(({ value }) => value)
    .join('.')
  let text = ''
  for (const { name, time_ms: timeMs, value } of points) text += lineOf({ topic, tags, ids, name, timeMs, value })
  return text
}

async function toNowhere() {
  const out = createWriteStream('/dev/null')
  return (text) => new Promise((resolve) => out.write(text, resolve))
}

async function toCarbon() {
  const socket = connect({ port, host: '127.0.0.1' })
  await once(socket, 'connect')
  return (text) => new Promise((resolve) => socket.write(text, resolve))
}

async function toInflux() {
  const agent = new Agent({ keepAlive: true })
  return (text) =>
    new Promise((resolve, reject) => {
      const headers = { 'content-length': Buffer.byteLength(text) }
      const posted = request({ port, host: '127.0.0.1', path: '/write', method: 'POST', agent, headers }, (response) =>
        response.resume().on('end', resolve),
      )
      posted.on('error', reject).end(text)
    })
}
