import { type ScratchMachine, startModule, startScratchMachine } from './scratch-machine.js'
import { statsdLinesWasm } from './statsd-lines-wasm.js'
import { exactPowersOfTen } from './statsd-number.js'

/** UDP's largest payload is a little smaller. */
const packetBytes = 64 * 1024
/** Sixteen bytes at a time are read, and written, up to fifteen too many. */
const slackBytes = 64
const mostPieces = 16 * 1024
export const pieceNumbers = 3
const numberBytes = 4
/** A plain number has no more digits than this. */
const mostDecimals = 15
/** As in scratch.wat. */
const memoryBytes = 4 * 1024 * 1024

/** Where things lie, in bytes. */
const toldAt = 0
const timeAt = 16
const powersAt = 64
const piecesAt = 256
const endsAt = piecesAt + mostPieces * pieceNumbers * numberBytes
const packetAt = endsAt + mostPieces * numberBytes
const sectionsAt = packetAt + packetBytes + slackBytes
const sectionsBytes = 512 * 1024
const logAt = sectionsAt + sectionsBytes
const logBytes = 512 * 1024
const placedAt = logAt + logBytes + slackBytes
const placedBytes = 1024 * 1024
const headsAt = placedAt + placedBytes + slackBytes
const headsBytes = memoryBytes - headsAt - slackBytes

export const layout = {
  mostPieces,
  time: { at: timeAt, bytes: powersAt - timeAt },
  packet: { at: packetAt, bytes: packetBytes + slackBytes },
  sections: { at: sectionsAt, bytes: sectionsBytes },
  log: { at: logAt, bytes: logBytes },
  placed: { at: placedAt, bytes: placedBytes },
  heads: { at: headsAt, bytes: headsBytes },
} as const

/** What statsd-lines.wat exports. */
interface LineMachine {
  setRules(scaleAll: number, nameLimit: number): void
  setTimeLength(length: number): void
  /** @returns where the first line begins that was not read */
  read(
    at: number,
    end: number,
    section: number,
    sectionLength: number,
    out: number,
    lastOut: number,
    most: number,
  ): number
  /** @returns where the datapoints go to */
  frame(to: number, head: number, headLength: number, count: number, byteLength: number): number
}

/**
 * The memory in which packets are read and datapoints written. Where Node runs with WebAssembly it is a module's, so that plain
 * lines can be read sixteen bytes at a time; else JavaScript does all of it.
 */
export class StatsdMemory {
  readonly buffer: ArrayBuffer
  readonly bytes: Buffer
  readonly view: DataView
  /** What a call of `lines.read` told: lines read, where their datapoints end, why it stopped, where another tag section begins. */
  readonly told: Int32Array
  /** Whose datapoints a piece is (a number), where it begins, its length. */
  readonly pieces: Int32Array
  readonly lines: LineMachine | undefined
  readonly #machine: ScratchMachine | undefined
  readonly #ends: Int32Array

  constructor(machine = startScratchMachine()) {
    this.#machine = machine
    this.buffer = machine?.memory.buffer ?? new ArrayBuffer(memoryBytes)
    this.bytes = Buffer.from(this.buffer)
    this.view = new DataView(this.buffer)
    this.told = new Int32Array(this.buffer, toldAt, 4)
    this.pieces = new Int32Array(this.buffer, piecesAt, mostPieces * pieceNumbers)
    this.#ends = new Int32Array(this.buffer, endsAt, mostPieces)
    this.lines = machine && startLines(machine)
    new Float64Array(this.buffer, powersAt, mostDecimals + 1).set(exactPowersOfTen.subarray(0, mostDecimals + 1))
  }

  /** Says where the next piece of an owner goes to. */
  setEnd(owner: number, at: number): void {
    this.#ends[owner] = at
  }

  /** Copies so many pieces, each behind the one before of the same owner. */
  place(pieces: number): void {
    if (this.#machine === undefined) this.#placeHere(pieces)
    else this.#machine.place(piecesAt, piecesAt + pieces * pieceNumbers * numberBytes, endsAt)
  }

  #placeHere(pieces: number): void {
    for (let at = 0; at < pieces * pieceNumbers; at += pieceNumbers) {
      const owner = this.pieces[at]!
      const from = this.pieces[at + 1]!
      const length = this.pieces[at + 2]!
      this.bytes.copyWithin(this.#ends[owner]!, from, from + length)
      this.#ends[owner]! += length
    }
  }
}

function startLines({ memory }: ScratchMachine): LineMachine | undefined {
  const addresses = { time: timeAt, powersOfTen: powersAt, told: toldAt }
  return startModule(statsdLinesWasm, { scratch: { memory }, layout: addresses }) as LineMachine | undefined
}
