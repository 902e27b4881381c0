// Compiles src/codec/scratch.wat. As a program (`npm run wasm`) it writes src/codec/scratch-wasm.ts, which is kept with the source: so nobody
// who builds or runs the program needs a compiler for it.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import loadWabt from 'wabt'

const sourcePath = fileURLToPath(new URL('../../src/codec/scratch.wat', import.meta.url))
const modulePath = fileURLToPath(new URL('../../src/codec/scratch-wasm.ts', import.meta.url))

/** The module that scratch.wat describes, in Base64. */
export async function compileScratch() {
  const wabt = await loadWabt()
  const parsed = wabt.parseWat('scratch.wat', readFileSync(sourcePath, 'utf8'), { simd: true, bulk_memory: true })
  parsed.validate()
  return Buffer.from(parsed.toBinary({}).buffer).toString('base64')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const lines = (await compileScratch()).match(/.{1,110}/g).map((line) => `  '${line}'`)
  const text = `/** scratch.wat, compiled: \`npm run wasm\` writes it. */\nexport const scratchWasm: string =\n${lines.join(' +\n')}\n`
  writeFileSync(modulePath, text)
}
