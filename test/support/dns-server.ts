import dgram from 'node:dgram'
import type { AddressInfo } from 'node:net'

/** A row of the zone: what is answered for a name. */
export type DnsRecord =
  | { readonly type: 'A'; readonly address: string }
  | { readonly type: 'SRV'; readonly target: string; readonly port: number }

/** A DNS server on 127.0.0.1 that knows what `zone` holds right now and says NXDOMAIN for everything else. */
export async function startDnsServer(zone: Map<string, readonly DnsRecord[]>) {
  const socket = dgram.createSocket('udp4')
  const asked: string[] = []
  socket.on('message', (query, peer) => {
    const question = readQuestion(query)
    asked.push(question.name)
    socket.send(answer(query, question, zone.get(question.name)), peer.port, peer.address)
  })
  await new Promise<void>((bound) => socket.bind(0, '127.0.0.1', bound))
  return {
    /** As `Resolver.setServers` takes it. */
    address: `127.0.0.1:${(socket.address() as AddressInfo).port}`,
    asked,
    close: () => new Promise<void>((closed) => socket.close(() => closed())),
  }
}

const types = { A: 1, SRV: 33 }
const nameOfQuestion = Buffer.from([0xc0, 12])

interface Question {
  readonly name: string
  readonly type: number
  readonly end: number
}

// The header is 12 bytes long; labels follow, each behind its length, then type and class.
function readQuestion(query: Buffer): Question {
  const labels: string[] = []
  let at = 12
  while (query[at] !== 0) {
    const length = query[at]!
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 }
}

function answer(query: Buffer, { type, end }: Question, records: readonly DnsRecord[] | undefined): Buffer {
  const answers = (records ?? []).filter((record) => types[record.type] === type).map(encodeRecord)
  const header = Buffer.alloc(12)
  query.copy(header, 0, 0, 2)
  header.writeUInt16BE(records === undefined ? 0x8183 : 0x8180, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(answers.length, 6)
  return Buffer.concat([header, query.subarray(12, end), ...answers])
}

function encodeRecord(record: DnsRecord): Buffer {
  const data = record.type === 'A' ? Buffer.from(record.address.split('.').map(Number)) : encodeSrv(record)
  const head = Buffer.alloc(10)
  head.writeUInt16BE(types[record.type], 0)
  head.writeUInt16BE(1, 2)
  head.writeUInt32BE(60, 4)
  head.writeUInt16BE(data.length, 8)
  return Buffer.concat([nameOfQuestion, head, data])
}

function encodeSrv({ target, port }: { readonly target: string; readonly port: number }): Buffer {
  const head = Buffer.alloc(6)
  head.writeUInt16BE(port, 4)
  const labels = target.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]))
  return Buffer.concat([head, ...labels, Buffer.from([0])])
}
