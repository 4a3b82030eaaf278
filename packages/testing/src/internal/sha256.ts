/**
 * SHA-256 in pieces, for programs in memory and for tests that know what was sent: WebCrypto wants everything at once,
 * which is just what a test of flat memory must not do.
 */
const K = new Uint32Array(64)
const H0 = new Uint32Array(8)
// The constants are the first 32 bits of the fractional parts of the roots of the first primes.
{
  const fraction = (x: number) => ((x - Math.floor(x)) * 0x1_0000_0000) >>> 0
  let found = 0
  for (let n = 2; found < 64; n++) {
    let prime = true
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false
    if (!prime) continue
    if (found < 8) H0[found] = fraction(Math.sqrt(n))
    K[found++] = fraction(Math.cbrt(n))
  }
}

/** A hash that grows. */
export interface Sha256 {
  readonly update: (bytes: Uint8Array) => void
  /** The hash as 64 hexadecimal digits; nothing can be added afterwards. */
  readonly digest: () => string
}

/** A hash of nothing yet. */
export const make = (): Sha256 => {
  const state = H0.slice()
  const w = new Int32Array(64)
  const pending = new Uint8Array(64)
  let held = 0
  let total = 0

  const block = (bytes: Uint8Array, at: number) => {
    for (let i = 0; i < 16; i++) {
      const j = at + i * 4
      w[i] = (bytes[j]! << 24) | (bytes[j + 1]! << 16) | (bytes[j + 2]! << 8) | bytes[j + 3]!
    }
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15]!
      const y = w[i - 2]!
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
      w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0
    }
    let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number]
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i]! + w[i]!) | 0
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
      h = g
      g = f
      f = e
      e = (d + t1) | 0
      d = c
      c = b
      b = a
      a = (t1 + t2) | 0
    }
    const next = [a, b, c, d, e, f, g, h]
    for (let i = 0; i < 8; i++) state[i] = (state[i]! + next[i]!) >>> 0
  }

  const update = (bytes: Uint8Array) => {
    total += bytes.length
    let at = 0
    if (held > 0) {
      const taken = Math.min(64 - held, bytes.length)
      pending.set(bytes.subarray(0, taken), held)
      held += taken
      at = taken
      if (held < 64) return
      block(pending, 0)
      held = 0
    }
    for (; at + 64 <= bytes.length; at += 64) block(bytes, at)
    pending.set(bytes.subarray(at))
    held = bytes.length - at
  }

  const digest = () => {
    const bits = total * 8
    const padding = new Uint8Array((held < 56 ? 64 : 128) - held)
    padding[0] = 0x80
    const view = new DataView(padding.buffer)
    view.setUint32(padding.length - 8, Math.floor(bits / 0x1_0000_0000))
    view.setUint32(padding.length - 4, bits >>> 0)
    update(padding)
    return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("")
  }

  return { update, digest }
}
