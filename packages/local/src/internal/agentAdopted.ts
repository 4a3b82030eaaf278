/**
 * A pipe that the agent has open, read here: what a busy command writes makes no detour, and order and backpressure are
 * those of the pipe itself.
 */
import * as Fs from "node:fs"
import * as Net from "node:net"
import type { Adopted, PipeFailure, Reader } from "@effect-exec/agent/Pipe"

// A quarter of what the agent makes a pipe hold: as with smaller ones reader and writer are at it at the same time, and
// chunks are few. A read that fills it is handed on as it is, and another buffer taken; of any other one a copy is.
const readSize = 256 * 1024

/** What a pipe holds at most, unless a privileged process made it larger. */
const pipeSize = 1024 * 1024

// Not filled with zeros, and not a part of Node's pool of small buffers: whoever gets it owns all of it.
const allocate = (): Uint8Array => new Uint8Array(Buffer.allocUnsafeSlow(readSize).buffer)

const failureOf = (cause: NodeJS.ErrnoException): PipeFailure => ({
  code: cause.code ?? "EIO",
  text: "reading the output of a command"
})

const socketOf = (fd: number, onread: Net.OnReadOpts): Net.Socket | undefined => {
  try {
    return new Net.Socket({ fd, readable: true, writable: false, onread })
  } catch {
    // Not a pipe.
    Fs.closeSync(fd)
    return undefined
  }
}

// Another description of the same pipe, so that this end does not block and the agent's own may be closed.
const openFd = (pid: number, fd: number): number | undefined => {
  try {
    return Fs.openSync(`/proc/${pid}/fd/${fd}`, Fs.constants.O_RDONLY | Fs.constants.O_NONBLOCK)
  } catch {
    // Another user's agent, a system that hides `/proc`, no more descriptors.
    return undefined
  }
}

/** Opens it, and begins to read with the next turn of the event loop. `undefined` when that is not possible. */
export const open = (pid: number, agentFd: number, reader: Reader): Adopted | undefined => {
  const fd = openFd(pid, agentFd)
  if (fd === undefined) return undefined
  let isOpen = true
  let isFlushing = false
  let buffer = allocate()

  // After all reads of this turn, so that whoever waits is woken once for them, and outside of Node's own reading.
  const flush = () => {
    isFlushing = false
    if (isOpen) reader.flush()
  }
  const give = (size: number): boolean => {
    if (size < readSize) return reader.take(new Uint8Array(buffer.subarray(0, size)))
    const full = buffer
    buffer = allocate()
    return reader.take(full)
  }
  const socket = socketOf(fd, {
    // Asked after each read for where the next one goes.
    buffer: () => buffer,
    callback: (size) => {
      if (!isOpen) return false
      if (!isFlushing) {
        isFlushing = true
        setImmediate(flush)
      }
      return give(size)
    }
  })
  if (socket === undefined) return undefined

  const ended = (failure?: PipeFailure) => {
    if (!isOpen) return
    isOpen = false
    reader.ended(failure)
    reader.flush()
  }
  socket.once("error", (cause) => ended(failureOf(cause)))
  socket.once("end", () => ended())
  socket.once("close", () => ended())

  return {
    resume: () => void socket.resume(),
    drain: () => {
      if (!isOpen || socket.destroyed) return
      let left = pipeSize
      for (let size = readNow(fd, buffer); size > 0; size = left > 0 ? readNow(fd, buffer) : 0) {
        left -= size
        give(size)
      }
    },
    close: () => {
      isOpen = false
      socket.destroy()
    }
  }
}

// Nothing at the end, and when there is nothing now.
const readNow = (fd: number, into: Uint8Array): number => {
  try {
    return Fs.readSync(fd, into)
  } catch {
    return 0
  }
}
