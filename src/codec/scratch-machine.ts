import { scratchWasm } from './scratch-wasm.js'

/** What scratch.wat exports. */
export interface ScratchMachine {
  /** 4 MiB. */
  readonly memory: { readonly buffer: ArrayBuffer }
  /** @returns 0 where they differ */
  same(a: number, b: number, length: number): number
  place(pieces: number, piecesEnd: number, ends: number): void
}

/** Node has it, unless it was started without (`--jitless`); its types come only with those of browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports?: object) => { readonly exports: unknown }
}

/** A machine of its own, with its own memory; undefined where Node runs without WebAssembly, or on a processor without SIMD. */
export function startScratchMachine(): ScratchMachine | undefined {
  return startModule(scratchWasm) as ScratchMachine | undefined
}

/**
 * What a compiled module exports; undefined where Node cannot run it.
 *
 * @param wasm in Base64
 */
export function startModule(wasm: string, imports?: object): unknown {
  try {
    return new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(wasm, 'base64')), imports).exports
  } catch {
    return undefined
  }
}
