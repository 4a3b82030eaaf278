/**
 * Sending signals, with the outcome as a value.
 */
import * as Os from "node:os"
import * as Signal from "effect-exec/Signal"
import * as Procfs from "./procfs.ts"

/** `gone`: nobody has this pid or group; `denied`: somebody has, and we may not; `unknown`: not a signal here. */
export type Sent = "sent" | "gone" | "denied" | "unknown"

// By the host's own number for the name: macOS numbers some differently, and lacks the others.
const numberOf = (signal: Signal.Signal): number | undefined =>
  (Os.constants.signals as Record<string, number | undefined>)[signal] ??
  (process.platform === "linux" ? Signal.toNumber(signal) : undefined)

/** Sends to a pid, or with a negative one to a process group. */
export const send = (pid: number, signal: Signal.Signal | 0): Sent => {
  const number = signal === 0 ? 0 : numberOf(signal)
  if (number === undefined) return "unknown"
  try {
    process.kill(pid, number)
    return "sent"
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    return code === "ESRCH" ? "gone" : code === "EPERM" ? "denied" : "unknown"
  }
}

/** Whether Node has a name for a death by this signal. It reports one by the others, 32 to 64, as `exit 0`. */
export const isReported = (signal: Signal.Signal): boolean => Signal.toNumber(signal) < 32

/** Whether the process neither catches, ignores nor blocks the signal, so that it dies of it. */
export const isDeadlyTo = (pid: number, signal: Signal.Signal): boolean => {
  const status = Procfs.readText(`/proc/${pid}/status`)
  const bit = 1n << BigInt(Signal.toNumber(signal) - 1)
  const masks = status?.match(/^Sig(?:Blk|Ign|Cgt):\s*[0-9a-f]+$/gm)
  return masks?.length === 3 && masks.every((mask) => (BigInt(`0x${mask.split(/\s+/)[1]!}`) & bit) === 0n)
}
