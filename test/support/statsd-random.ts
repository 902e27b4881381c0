/** A StatsD packet: half of them noise, half of them rows with some bytes changed. */
export function randomPacket(random: () => number): Buffer {
  const size = Math.floor(random() ** 4 * 2000)
  if (random() < 0.5) return Buffer.from(Array.from({ length: Math.min(size, 200) }, () => Math.floor(random() * 256)))
  const row = 'some.name:1.5|c|@0.5|#env:prod,zone:a\n_e{1,1}:a|b\n_sc|n|0\nother:1:2:3|d|T1656581400|c:x\n'
  const packet = Buffer.from(row.repeat(1 + Math.floor(size / row.length)))
  for (let left = Math.floor(random() * 4); left > 0; left--) {
    packet[Math.floor(random() * packet.length)] = Math.floor(random() * 256)
  }
  return random() < 0.02 ? Buffer.concat([Buffer.alloc(1100, 'n'), packet]) : packet
}

/** mulberry32: the same numbers for the same seed on every machine. */
export function createRandom(seedNumber: number): () => number {
  let state = seedNumber
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
