/**
 * Files, by a shell and the usual small programs in the capsule.
 */
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Response from "effect/http/HttpServerResponse"
import * as Multipart from "effect/http/Multipart"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import * as WrennWire from "@effect-exec/capsule/WrennWire"
import * as Command from "effect-exec/Command"
import * as ExecResult from "effect-exec/ExecResult"
import { toCode } from "effect-exec/ExitStatus"
import type { Limits } from "../../Limits.ts"
import { atPace } from "../bodies.ts"
import type { Capsule } from "../capsule.ts"
import type { Capsules } from "../capsules.ts"
import * as entries from "./entries.ts"
import { agentError, invalid, notFound, tooLarge, tooSlow, WrennFailure } from "./failure.ts"
import { body, done, inCapsule, json } from "./requests.ts"

// None that a shell, `cat` or `rm` ends with by itself.
const codes = { missing: 91, wrongKind: 92, denied: 93, exists: 94 } as const

const scripts = {
  // `READ` goes first, so that what cannot be read is known before the first byte of it.
  read: `[ -e "$1" ] || exit ${codes.missing}; [ -d "$1" ] && exit ${codes.wrongKind}; [ -r "$1" ] || exit ${codes.denied}; exec cat < "$1"`,
  write: `[ -d "$1" ] && exit ${codes.wrongKind}
case $1 in */*) mkdir -p -- "\${1%/*}/" || exit ${codes.denied} ;; esac
exec cat > "$1"`,
  list: `[ -e "$1" ] || exit ${codes.missing}; [ -d "$1" ] || exit ${codes.wrongKind}; ${entries.list}`,
  mkdir: `[ -e "$1" ] || [ -h "$1" ] && exit ${codes.exists}; mkdir -p -- "$1" || exit ${codes.denied}; ${entries.one}`,
  remove: `[ -e "$1" ] || [ -h "$1" ] || exit ${codes.missing}; rm -rf -- "$1" || exit ${codes.denied}`
} as const

type Name = keyof typeof scripts

// A path that looks like an option is none.
const toCommand = (name: Name, path: string, ...args: ReadonlyArray<string>) =>
  Command.make("/bin/sh", ["-c", scripts[name], "sh", path.startsWith("-") ? `./${path}` : path, ...args])

const nothing = new Uint8Array()

// Of what a program says when it fails, in characters.
const mostSaid = 1_000

const problem = (code: number, path: string, said: string): WrennFailure => {
  switch (code) {
    case codes.missing:
      return notFound(`path not found: ${path}`)
    case codes.wrongKind:
      return invalid(`${path} is of another kind: a directory where a file was meant, or the other way round`)
    case codes.denied:
      return new WrennFailure({ status: 403, code: "forbidden", problem: `permission denied: ${path}` })
    case codes.exists:
      return new WrennFailure({ status: 409, code: "conflict", problem: `path already exists: ${path}` })
    default:
      return agentError(`internal: ${path}: ${said.trim().slice(0, mostSaid) || `exit ${code}`}`)
  }
}

const checked = ({ path, ...rest }: { readonly path: string; readonly depth?: number }) =>
  path === "" || path.includes("\0") ? Effect.fail(invalid("path is required")) : Effect.succeed({ path, ...rest })

const pathOf = (limits: Limits) => Effect.flatMap(body(WrennWire.PathRequest, limits), checked)

/** Runs a script that says little, and fails with what it ends with. */
const run = (capsule: Capsule, name: Name, path: string, ...args: ReadonlyArray<string>) =>
  Effect.flatMap(capsule.exec.run(toCommand(name, path, ...args), { timeout: Duration.infinity }), (result) =>
    result.truncated
      ? Effect.fail(tooLarge(`there are too many entries in ${path}; list with less depth`))
      : result.ok
        ? Effect.succeed(result.stdoutBytes)
        : Effect.fail(problem(result.exitCode, path, result.stderr))
  )

/** The bytes of a file, once the first are known to be some; what goes wrong after that cuts the answer off. */
const read = Effect.fnUntraced(function* (capsule: Capsule, limits: Limits) {
  const { path } = yield* pathOf(limits)
  const process = yield* capsule.exec.spawn(toCommand("read", path))
  let said = ""
  const bytes = process.events.pipe(
    Stream.mapEffect((event) => {
      if (event._tag === "Stdout") return Effect.succeed(event.bytes)
      if (event._tag === "Stderr" && said.length < mostSaid) said += Buffer.from(event.bytes).toString()
      const code = event._tag === "Exited" ? toCode(event.status) : 0
      return code === 0 ? Effect.succeed(nothing) : Effect.fail(problem(code, path, said))
    }),
    Stream.filter((bytes) => bytes.length > 0)
  )
  const pull = yield* Stream.toPull(bytes)
  const first = yield* Pull.catchDone(pull, () => Effect.succeed([nothing]))
  const rest = Stream.fromPull(Effect.succeed(pull))
  return Response.stream(Stream.concat(Stream.fromIterable(first), rest), { contentType: "application/octet-stream" })
})

/** Takes the file of a form, whose path comes before it, as fast as it is written. */
const write = (capsule: Capsule, { pace }: Limits, most: number | undefined) => {
  const written = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    let path: string | undefined
    let isWritten = false
    yield* Stream.runForEach(request.multipartStream, (part) =>
      Effect.gen(function* () {
        if (part._tag === "Field") {
          if (part.key === "path") path = (yield* checked({ path: part.value })).path
          return
        }
        if (part.key !== "file" || isWritten) return yield* Stream.runDrain(part.content)
        if (path === undefined) return yield* invalid("path is required, and comes before the file")
        isWritten = true
        yield* store(capsule, path, part.content)
      })
    )
    if (!isWritten) return yield* invalid("file is required")
    return done
  }).pipe(
    Effect.provideService(MaxBodySize, most === undefined ? undefined : ByteSize.bytes(most)),
    Effect.provideService(Multipart.MaxFileSize, undefined)
  )
  return atPace(written, pace, tooSlow(`the file came too slowly: less than 16 KiB in ${pace} ms`))
}

const store = Effect.fnUntraced(function* <E>(capsule: Capsule, path: string, content: Stream.Stream<Uint8Array, E>) {
  const process = yield* capsule.exec.spawn(toCommand("write", path), { stdin: content })
  const result = yield* Stream.run(process.events, ExecResult.collect)
  if (!result.ok) return yield* problem(result.exitCode, path, result.stderr)
}, Effect.scoped)

/** The routes. */
export const routes = (capsules: Capsules, limits: Limits) => {
  const route = <E, R>(
    path: `/${string}`,
    act: (capsule: Capsule) => Effect.Effect<Response.HttpServerResponse, E, R>
  ) => HttpRouter.route("POST", `/v1/capsules/:id/files${path}`, inCapsule(capsules, act))
  return [
    route("/read", (capsule) => read(capsule, limits)),
    route("/stream/read", (capsule) => read(capsule, limits)),
    route("/write", (capsule) => write(capsule, limits, limits.file)),
    route("/stream/write", (capsule) => write(capsule, limits, undefined)),
    route("/list", (capsule) =>
      Effect.gen(function* () {
        const { depth = 1, path } = yield* pathOf(limits)
        const levels = Math.min(Math.max(Math.trunc(depth), 1), 100)
        const bytes = yield* run(capsule, "list", path.replace(/(?<=.)\/+$/, ""), String(levels))
        return json({ entries: entries.parse(bytes) })
      })
    ),
    route("/mkdir", (capsule) =>
      Effect.gen(function* () {
        const { path } = yield* pathOf(limits)
        const [entry] = entries.parse(yield* run(capsule, "mkdir", path.replace(/(?<=.)\/+$/, "")))
        return json({ entry })
      })
    ),
    route("/remove", (capsule) =>
      Effect.flatMap(pathOf(limits), ({ path }) => Effect.as(run(capsule, "remove", path), done))
    )
  ]
}
