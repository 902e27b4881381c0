const bytesPerLine = 16

/**
 * Bytes for people, as `hexdump -C` shows them: offset, sixteen bytes in hexadecimal, and what of them is printable ASCII.
 *
 * @returns lines joined by `\n`, without one at the end; '' for no bytes
 */
export function hexdump(bytes: Uint8Array): string {
  const lines: string[] = []
  for (let offset = 0; offset < bytes.length; offset += bytesPerLine) {
    lines.push(hexdumpLine(offset, bytes.subarray(offset, offset + bytesPerLine)))
  }
  return lines.join('\n')
}

function hexdumpLine(offset: number, bytes: Uint8Array): string {
  const pairs = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
  const half = bytesPerLine / 2
  const hex = `${pairs.slice(0, half).join(' ')}  ${pairs.slice(half).join(' ')}`
  const text = Array.from(bytes, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
  return `${offset.toString(16).padStart(8, '0')}  ${hex.padEnd(3 * bytesPerLine)}  |${text}|`
}
