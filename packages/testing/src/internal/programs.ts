/**
 * The programs of the suite in memory.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ExitStatus from "effect-exec/ExitStatus"
import type { Signal } from "effect-exec/Signal"
import type { Name, TreeKind } from "../Fixtures.ts"
import type { Disposition, ForkOptions, ProcessIO, Program } from "../Program.ts"
import { fromOctal } from "./bytes.ts"
import * as Sha256 from "./sha256.ts"

const arg = (io: ProcessIO, index: number): string => io.args[index] ?? ""
const output = (io: ProcessIO, to: string) => (to === "2" ? io.stderr : io.stdout)
const ready = (io: ProcessIO) => io.stdout("READY\n")
const readyThenHang: Program = (io) => Effect.andThen(ready(io), Effect.never)
const announce = (io: ProcessIO) => io.stdout(`PID ${io.pid}\n`)
const announceThenHang: Program = (io) => Effect.andThen(announce(io), Effect.never)
const on = (io: ProcessIO, names: ReadonlyArray<string>, disposition: (name: string) => Disposition) =>
  Effect.forEach(names, (name) => io.on(`SIG${name}` as Signal, disposition(name)), { discard: true })

const lines = (from: number, to: number): string => {
  let text = ""
  for (let n = from; n <= to; n++) text += `${n}\n`
  return text
}

// In pieces: a program that runs for long without a pause would stop the clock for all others.
const numbers: Program = (io) => {
  const count = Number(arg(io, 0))
  const to = arg(io, 1)
  return Effect.forEach(
    Array.from({ length: Math.ceil(count / 500) }, (_, index) => index),
    (index) =>
      output(
        io,
        to === "both" ? String((index % 2) + 1) : to
      )(lines(index * 500 + 1, to === "both" ? index * 500 + 500 : Math.min(count, index * 500 + 500))),
    { discard: true }
  )
}

const sha256: Program = (io) => {
  const hash = Sha256.make()
  return io.stdin.pipe(
    Stream.runForEach((bytes) => Effect.sync(() => hash.update(bytes))),
    Effect.flatMap(() => io.stdout(`${hash.digest()}\n`))
  )
}

// Xorshift: nothing here needs better randomness, and every pid has bytes of its own.
const random: Program = (io) => {
  const hash = Sha256.make()
  let state = io.pid * 2_654_435_761
  const block = (size: number) =>
    Uint8Array.from({ length: size }, () => {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      return state & 0xff
    })
  const emit = (left: number): Effect.Effect<void> => {
    if (left === 0) return Effect.void
    const bytes = block(Math.min(left, 10_000))
    hash.update(bytes)
    return Effect.andThen(
      output(io, arg(io, 1))(bytes),
      Effect.suspend(() => emit(left - bytes.length))
    )
  }
  return Effect.andThen(
    emit(Number(arg(io, 0))),
    Effect.suspend(() => output(io, arg(io, 1) === "1" ? "2" : "1")(`${hash.digest()}\n`))
  )
}

const flood: Program = (io) => Effect.forever(output(io, arg(io, 0))("y\n".repeat(2048)))

// One that starts another and ends at once: what every way to leave one's parent begins with.
const orphanOf = (io: ProcessIO, program: Program, options?: ForkOptions) =>
  Effect.flatMap(
    io.fork((parent) => Effect.asVoid(parent.fork(program, options))),
    (parent) => parent.wait
  )

const stubborn: Program = (io) =>
  io
    .on("SIGTERM", "ignore")
    .pipe(
      Effect.andThen(io.fork((child) => Effect.andThen(child.on("SIGTERM", "ignore"), announceThenHang(child)))),
      Effect.andThen(announceThenHang(io))
    )

const families: Readonly<Record<TreeKind, (io: ProcessIO) => Effect.Effect<unknown>>> = {
  children: (io) => io.fork((child) => Effect.andThen(child.fork(announceThenHang), announceThenHang(child))),
  stubborn: (io) => io.fork(stubborn),
  background: (io) => orphanOf(io, announceThenHang),
  session: (io) => io.fork(announceThenHang),
  orphan: (io) => orphanOf(io, announceThenHang),
  envless: (io) => orphanOf(io, announceThenHang, { env: {} }),
  escaped: (io) => io.fork(announceThenHang, { escape: true })
}

const tree: Program = (io) =>
  Effect.gen(function* () {
    yield* announce(io)
    yield* families[arg(io, 0) as TreeKind](io)
    if (arg(io, 1) !== "exits") return yield* Effect.never
    // The others have announced themselves once they had a turn.
    yield* Effect.repeat(Effect.yieldNow, { times: 20 })
    yield* io.stdout("hi\n")
  })

const hop =
  (left: number): Program =>
  (io) =>
    left === 0 ? Effect.void : Effect.andThen(Effect.sleep(1), Effect.asVoid(io.fork(hop(left - 1))))

const puppet: Program = (io) =>
  io.stdin.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line): Effect.Effect<void> => {
      const [verb, rest = ""] = line.split(" ")
      return verb === "out"
        ? io.stdout(fromOctal(rest))
        : verb === "err"
          ? io.stderr(fromOctal(rest))
          : verb === "exit"
            ? io.exit(Number(rest))
            : Effect.void
    })
  )

const terminal: Program = (io) => {
  const size = Effect.flatMap(io.tty, (size) =>
    io.stdout(size === undefined ? "stty: not a tty\n" : `${size.rows} ${size.columns}\n`)
  )
  return Effect.gen(function* () {
    yield* io.stdout((yield* io.tty) === undefined ? "no tty\n" : "tty\n")
    yield* io.on("SIGWINCH", size)
    yield* size
    yield* ready(io)
    return yield* Effect.never
  })
}

const pids = (io: ProcessIO, matches: (entry: { pid: number; env: Readonly<Record<string, string>> }) => boolean) =>
  Effect.flatMap(io.processes, (entries) =>
    io.stdout(
      entries
        .filter(matches)
        .map(({ pid }) => `${pid}\n`)
        .join("")
    )
  )

/** The programs of the suite in memory. */
export const programs: Readonly<Record<Name, Program>> = {
  echo: (io) => Effect.forEach(io.args, (word) => io.stdout(`${word}\0`), { discard: true }),
  env: (io) => {
    const value = io.env[arg(io, 0)]
    return value === undefined ? Effect.succeed(1) : io.stdout(value)
  },
  pwd: (io) => io.stdout(`${io.cwd}\n`),
  whoami: (io) => io.stdout(`${io.user}\n`),
  cat: (io) => Stream.runForEach(io.stdin, io.stdout),
  sha256,
  write: (io) => output(io, arg(io, 0))(fromOctal(arg(io, 1))),
  numbers,
  random,
  flood,
  exit: (io) => Effect.succeed(Number(arg(io, 0))),
  killSelf: (io) => Effect.succeed(ExitStatus.signaled(`SIG${arg(io, 0)}` as Signal)),
  hang: readyThenHang,
  ignoreTerm: (io) => Effect.andThen(io.on("SIGTERM", "ignore"), readyThenHang(io)),
  graceful: (io) =>
    Effect.andThen(
      io.on("SIGTERM", Effect.andThen(io.stdout("TERM\n"), io.exit(Number(arg(io, 0))))),
      readyThenHang(io)
    ),
  signals: (io) =>
    Effect.andThen(
      on(io, io.args, (name) => io.stdout(`GOT ${name}\n`)),
      readyThenHang(io)
    ),
  tree,
  late: (io) =>
    Effect.gen(function* () {
      const child = yield* io.fork((child) => Effect.andThen(Effect.sleep(1000), child.stdout("late\n")))
      yield* io.stdout(`PID ${child.pid}\nearly\n`)
    }),
  deaf: (io) => Effect.succeed(Number(arg(io, 0))),
  closeStdin: (io) => Effect.andThen(io.closeStdin, readyThenHang(io)),
  closeOutput: (io) =>
    Effect.gen(function* () {
      yield* ready(io)
      yield* io.closeStdout
      yield* io.closeStderr
      yield* Stream.runDrain(io.stdin)
      return Number(arg(io, 0))
    }),
  storm: (io) =>
    Effect.andThen(
      Effect.forEach([1, 2, 3], () => io.fork(hop(4000)), { discard: true }),
      readyThenHang(io)
    ),
  puppet,
  terminal,
  alive: (io) => pids(io, ({ pid }) => io.args.includes(String(pid))),
  kill: (io) => Effect.forEach(io.args, (pid) => io.kill(Number(pid), "SIGKILL"), { discard: true }),
  survivors: (io) => {
    const [name = "", value] = arg(io, 0).split("=")
    return pids(io, ({ env }) => env[name] === value)
  }
}
