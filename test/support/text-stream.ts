import { Writable } from 'node:stream'

/** A stream that keeps what is written to it. */
export function createTextStream(): Writable & { text(): string } {
  const chunks: string[] = []
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      chunks.push(String(chunk))
      done()
    },
  })
  return Object.assign(stream, { text: () => chunks.join('') })
}
