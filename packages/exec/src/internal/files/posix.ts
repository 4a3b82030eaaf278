/**
 * File operations by commands: one small POSIX command each, with what is read and written in its pipes.
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Duration from "effect/Duration"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import * as Command from "../../Command.ts"
import type { Exec } from "../../Exec.ts"
import * as ExecError from "../../ExecError.ts"
import type { ExecEvent } from "../../ExecEvent.ts"
import { type ExitStatus, format } from "../../ExitStatus.ts"
import { type Failing, FileError, type Files, type Writer } from "../../Files.ts"
import { concat } from "../bytes.ts"
import * as deadline from "../deadline.ts"
import * as utf8 from "../utf8.ts"
import * as find from "./find.ts"
import * as scripts from "./scripts.ts"
import * as stat from "./stat.ts"
import { codeOf } from "./strerror.ts"

// The C library's own words, and times that need no table of zones.
const env = { LC_ALL: "C", TZ: "UTC0" }

// A file system has no time-outs, and a file may be of any size.
const unlimited = { timeout: Duration.infinity, maxOutput: Infinity }

const program = (argv: Command.Command["argv"]): Command.Command => ({ argv, env })

const script = (text: string, ...args: ReadonlyArray<string | number>): Command.Command =>
  program(["/bin/sh", "-c", text, "sh", ...args.map(String)])

// So that no path is taken for an option, for stdin, or for an expression.
const plain = (path: string): string => (path.startsWith("/") ? path : `./${path}`)

const octal = (mode: number): string => mode.toString(8)
const flag = (value: boolean): number => (value ? 1 : 0)

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/"

/** How a command failed. */
const failed = ({ argv }: Command.Command, status: ExitStatus, stderr: string): FileError => {
  const said = stderr.trim()
  return new FileError({
    code: codeOf(said) ?? "EIO",
    text: said === "" ? `${argv[0]} ended with ${format(status)}` : said
  })
}

const isOk = (status: ExitStatus): boolean => status._tag === "Exited" && status.code === 0

/** Gives the bytes of stdout as they come, and fails as the command does. */
class Reading {
  private readonly command: Command.Command
  private stderr: Array<Uint8Array> = []
  private kept = 0

  constructor(command: Command.Command) {
    this.command = command
  }

  /** The bytes of an event, if it brings any. */
  take(event: ExecEvent): Effect.Effect<Uint8Array | undefined, FileError> {
    if (event._tag === "Stdout") return Effect.succeed(event.bytes)
    if (event._tag === "Stderr" && this.kept < maxStderr) {
      this.stderr.push(event.bytes)
      this.kept += event.bytes.length
    }
    return event._tag !== "Exited" || isOk(event.status)
      ? Effect.undefined
      : Effect.fail(failed(this.command, event.status, utf8.decode(concat(this.stderr))))
  }
}

/** More than any tool says of one file. */
const maxStderr = 64 * 1024

/** Longer than it takes to write what is in a pipe. */
const lastWords = Duration.seconds(2)

const output = (exec: Exec["Service"], command: Command.Command): ReturnType<Files["read"]> =>
  Stream.transformPull(exec.stream(command, unlimited), (pull) =>
    Effect.sync(() => {
      const reading = new Reading(command)
      const next: Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, FileError | ExecError.ExecError> = Effect.flatMap(
        pull,
        ([event]) =>
          Effect.flatMap(reading.take(event), (bytes) => (bytes === undefined ? next : Effect.succeed([bytes])))
      )
      return next
    })
  )

/** File operations by the commands of an `Exec`. */
export const make = (exec: Exec["Service"]): Files => {
  const run = (command: Command.Command): Failing<string> =>
    Effect.flatMap(exec.run(command, unlimited), (result) =>
      isOk(result.status) ? Effect.succeed(result.stdout) : Effect.fail(failed(command, result.status, result.stderr))
    )
  const done = (command: Command.Command): Failing<void> => Effect.asVoid(run(command))

  const write: Files["write"] = (path, { create, mode, to }) =>
    Effect.gen(function* () {
      const how = create === "always" ? "x" : create === "never" ? "n" : "c"
      const command = script(scripts.write, plain(path), to, how, octal(mode))
      const process = yield* exec.spawn(command, { stdin: "open" })
      const pull = yield* Stream.toPull(process.events)
      const reading = new Reading(command)
      const step = Effect.flatMap(pull, ([event]) => reading.take(event))
      const ended: Failing<void> = Pull.catchDone(Effect.forever(step), () => Effect.void)
      // Whoever gives up keeps what was written: it is in the pipe, and still on its way into the file.
      yield* Effect.addFinalizer(() =>
        Effect.ignore(deadline.within(Effect.andThen(process.closeStdin, ended), lastWords))
      )
      const writer: Writer = {
        // What has ended says why.
        write: (bytes) =>
          Effect.catchReason(process.write(bytes), "ExecError", "ProcessExited", () =>
            Effect.andThen(ended, Effect.fail(new FileError({ code: "EPIPE" })))
          ),
        close: Effect.andThen(process.closeStdin, ended)
      }
      return writer
    })

  return {
    read: (path, { length, offset }) =>
      output(
        exec,
        program(
          offset === 0n && length === undefined
            ? ["cat", plain(path)]
            : [
                "dd",
                `if=${plain(path)}`,
                "bs=65536",
                "iflag=skip_bytes,count_bytes",
                `skip=${offset}`,
                ...(length === undefined ? [] : [`count=${length}`]),
                "status=none"
              ]
        )
      ),
    write,
    list: (path, recursive) =>
      Effect.map(run(program(["find", ...find.args(plain(path), recursive)])), (stdout) =>
        find.entries(plain(path), stdout)
      ),
    stat: (path, follow) => {
      const command = program(["stat", ...(follow ? ["-L"] : []), "-c", stat.format, plain(path)])
      return Effect.flatMap(run(command), (stdout) => {
        const info = stat.parse(stdout)
        return info === undefined
          ? Effect.fail(new FileError({ code: "EPROTO", text: `stat said ${JSON.stringify(stdout)}` }))
          : Effect.succeed(info)
      })
    },
    access: (path, readable, writable) => done(script(scripts.access, plain(path), flag(readable), flag(writable))),
    makeDirectory: (path, mode, recursive) =>
      done(script(scripts.makeDirectory, plain(path), octal(mode), flag(recursive))),
    makeTempDirectory: (directory, name) =>
      run(script(scripts.makeTempDirectory, directory === undefined ? "" : plain(directory), name)),
    remove: (path, recursive, force) => done(script(scripts.remove, plain(path), flag(recursive), flag(force))),
    rename: (from, to) =>
      Effect.catchIf(
        done(program(["mv", "-f", "-T", plain(from), plain(to)])),
        // For the system call that is nothing to do.
        (error) => error._tag === "FileError" && error.message.endsWith("are the same file"),
        () => Effect.void
      ),
    copyFile: (from, to) => done(script(scripts.copyFile, plain(from), plain(to))),
    copy: (from, to, overwrite, preserveTimestamps) => {
      const source = plain(from).replace(/(?<=.)\/+$/, "")
      const target = plain(to).replace(/(?<=.)\/+$/, "")
      return target.startsWith(`${source}/`)
        ? Effect.fail(new FileError({ code: "EINVAL", text: "a directory cannot be copied into itself" }))
        : done(script(scripts.copy, source, target, parentOf(target), flag(overwrite), flag(preserveTimestamps)))
    },
    symlink: (target, path) => done(script(scripts.symlink, target, plain(path))),
    link: (existing, path) => done(script(scripts.link, plain(existing), plain(path))),
    readLink: (path) => run(script(scripts.readLink, plain(path))),
    realPath: (path) => Effect.map(run(script(scripts.realPath, plain(path))), (line) => line.slice(0, -1)),
    // Five digits: with fewer GNU leaves some bits of a directory as they are.
    chmod: (path, mode) => done(program(["chmod", octal(mode).padStart(5, "0"), plain(path)])),
    chown: (path, uid, gid) =>
      done(program(["chown", `${uid === -1 ? "" : uid}${gid === -1 ? "" : `:${gid}`}`, plain(path)])),
    utimes: (path, atime, mtime) => done(script(scripts.utimes, plain(path), ...parts(atime), ...parts(mtime))),
    truncate: (path, length) => done(script(scripts.truncate, plain(path), String(length)))
  }
}

const billion = 1_000_000_000n

// Seconds and nine digits, as one writes a number: the sign is of both.
const parts = (nanoseconds: bigint): readonly [string, string] => {
  const size = nanoseconds < 0n ? -nanoseconds : nanoseconds
  return [`${nanoseconds < 0n ? "-" : ""}${size / billion}`, String(size % billion).padStart(9, "0")]
}
