import { setFlagsFromString } from 'node:v8'

/**
 * Lets V8's old generation, with the buffers outside of it, grow to three times of what is in use before all of it is looked
 * through; by V8's own measure that are 8 MiB more. For who holds megabytes for a moment, with little beside: a
 * batch of the bus is 8 MiB, so every one made V8 look through the heap, a fifth of a consumer's time. So it was in a proxy with a
 * thousand containers, a seventh of its time: its lists wait for their write. It takes up to 30 MiB more while data come in
 * great number.
 */
export function letOldGenerationGrow(): void {
  setFlagsFromString('--heap-growing-percent=200')
}
