import { removeSegmentFile, SegmentFile } from './embedded-segments.js'

/**
 * The file of a segment that is gone, kept for the next segment of this process: its pages and its blocks are there already, which is
 * more than half of what a write costs. There is one at most, and it still has its old name, so what a process leaves when it is
 * killed is the file of no segment, which others remove; they may do so at any time.
 */
export class SpareSegment {
  readonly #dir: string
  #segment: number | undefined
  #isExpected = false

  constructor(dir: string) {
    this.#dir = dir
  }

  /** There will be a next segment, as far as one can tell: from now on a file is kept. */
  expectUse(): void {
    this.#isExpected = true
  }

  /**
   * @param segment one that is gone, and that nobody writes any more: its writer has sealed it
   * @returns false where its file is to be removed
   */
  keep(segment: number): boolean {
    if (!this.#isExpected || this.#segment !== undefined) return false
    this.#segment = segment
    return true
  }

  has(segment: number): boolean {
    return this.#segment === segment
  }

  /**
   * Makes it the file of the new segment.
   *
   * @param maxBytes what a segment can grow to: the rest of a file from a time of larger ones goes back to the disk
   * @returns undefined where there is none any more: nothing is left in the new one's place
   */
  async take(segment: number, maxBytes: number): Promise<SegmentFile | undefined> {
    const former = this.#segment
    this.#segment = undefined
    if (former === undefined) return undefined
    return SegmentFile.reuse(this.#dir, { former, segment, maxBytes }).catch(() => undefined)
  }

  /** Gives its room back. @returns false where there is none */
  async discard(): Promise<boolean> {
    const former = this.#segment
    this.#segment = undefined
    if (former === undefined) return false
    // What cannot be removed now goes like all files without a segment.
    await removeSegmentFile(this.#dir, former).catch(() => {})
    return true
  }

  /** To be called now and then: gives its room back where no use was expected since the last call. */
  async discardIfIdle(): Promise<void> {
    if (!this.#isExpected) await this.discard()
    this.#isExpected = false
  }

  /** Gives its room back, and keeps none any more. */
  async close(): Promise<void> {
    this.#isExpected = false
    await this.discard()
  }
}
