/**
 * The numbers of PROTOCOL.md, version 1.
 */

export const version = 1
export const headerSize = 12

/** What every HELLO begins with: "EXAG". */
export const magic = [0x45, 0x58, 0x41, 0x47] as const

/** Payload of any frame but START: a longer one would hold up the frames of other commands. */
export const maxPayload = 65_536
/** Payload of START; the kernel takes less of arguments and environment anyway. */
export const maxStart = 4 * 1024 * 1024
/** Payload of FILE. */
export const maxFile = 16_384

/** Kinds of frames from the client. */
export const toAgent = {
  hello: 0x01,
  start: 0x02,
  stdin: 0x03,
  stdinEof: 0x04,
  credit: 0x05,
  signal: 0x06,
  discard: 0x07,
  closeOutput: 0x08,
  resize: 0x09,
  handoverAsk: 0x0a,
  handoverTaken: 0x0b,
  handoverRefused: 0x0c,
  file: 0x0d,
  ping: 0x0e
} as const

/** Kinds of frames from the agent. */
export const toClient = {
  hello: 0x81,
  started: 0x82,
  failed: 0x83,
  stdout: 0x84,
  stderr: 0x85,
  stdinCredit: 0x86,
  stdinClosed: 0x87,
  exit: 0x88,
  drained: 0x89,
  empty: 0x8a,
  closed: 0x8b,
  signaled: 0x8c,
  handover: 0x8d,
  result: 0x8e,
  refused: 0x8f,
  pong: 0x90,
  error: 0x91,
  outputEnded: 0x92
} as const

/** Bits of what an agent can do. */
export const features = {
  pidfd: 1,
  subreaper: 2,
  proc: 4,
  handover: 8,
  files: 16,
  tty: 32,
  user: 64
} as const

/** Bits of START. */
export const startFlags = { stdin: 1, tty: 2, offer: 4, groups: 8 } as const

/** Where a start failed. */
export const stages = { fork: 1, limits: 2, tty: 3, user: 4, cwd: 5, exec: 6 } as const

/** SIGKILL, whose number is the same everywhere. */
export const sigkill = 9

/** Whom a signal goes to. */
export const scopes = { process: 0, group: 1, tree: 2 } as const

/** Both outputs, as the bits of a mask. */
export const bothOutputs = 6

/** File operations. */
export const fileOps = {
  read: 1,
  write: 2,
  list: 3,
  stat: 4,
  mkdir: 5,
  remove: 6,
  rename: 7,
  symlink: 8,
  link: 9,
  readLink: 10,
  realPath: 11,
  chmod: 12,
  chown: 13,
  utimes: 14,
  truncate: 15,
  access: 16,
  copy: 17
} as const

/** Why a frame was refused. */
export const refusals = { tooMany: 5 } as const
