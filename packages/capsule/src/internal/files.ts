/**
 * Files by what every sandbox has: a shell, `cat`, and streams that wait.
 */
import * as Effect from "effect/Effect"
import * as PlatformError from "effect/PlatformError"
import * as Stream from "effect/Stream"
import * as Command from "effect-exec/Command"
import type { Exec } from "effect-exec/Exec"
import type { ExecError } from "effect-exec/ExecError"
import { toCode } from "effect-exec/ExitStatus"
import { web } from "./web.ts"

// None that a shell or `cat` ends with by itself.
const tags = { 91: "NotFound", 92: "BadResource", 93: "PermissionDenied" } as const

const readScript = `[ -e "$1" ] || exit 91; [ -d "$1" ] && exit 92; [ -r "$1" ] || exit 93; exec cat < "$1"`

const writeScript = `[ -d "$1" ] && exit 92
case $1 in */*) d=\${1%/*}/;; *) d=.;; esac
[ -d "$d" ] || exit 91
if [ -e "$1" ]; then [ -w "$1" ]; else [ -w "$d" ]; fi || exit 93
exec cat > "$1"`

// Of what it says when it fails, in characters.
const mostSaid = 1_000

const none = new Uint8Array()

const steps = <E, R>(
  exec: Exec["Service"],
  method: string,
  text: string,
  path: string,
  stdin: Stream.Stream<Uint8Array, E, R> | Uint8Array | undefined
): Stream.Stream<Uint8Array, ExecError | PlatformError.PlatformError | E, R> =>
  Stream.suspend(() => {
    let said = ""
    const events = exec.stream<E, R>(Command.make("/bin/sh", ["-c", text, "sh", path]), { stdin })
    return Stream.mapEffect(events, (event) => {
      if (event._tag === "Stdout") return Effect.succeed(event.bytes)
      if (event._tag === "Stderr") said = (said + decoder.decode(event.bytes)).slice(0, mostSaid)
      const code = event._tag === "Exited" ? toCode(event.status) : 0
      return code === 0 ? Effect.succeed(none) : Effect.fail(failed(method, path, code, said.trim()))
    })
  })

const decoder = new web.TextDecoder("utf-8")
const encoder = new web.TextEncoder()

const failed = (method: string, path: string, code: number, said: string): PlatformError.PlatformError =>
  PlatformError.systemError({
    _tag: tags[code as keyof typeof tags] ?? "Unknown",
    module: "Capsule",
    method,
    pathOrDescriptor: path,
    ...(said === "" ? {} : { description: said })
  })

/** See `Capsule.readFile`. */
export const read = (
  exec: Exec["Service"],
  path: string
): Stream.Stream<Uint8Array, ExecError | PlatformError.PlatformError> =>
  Stream.filter(steps(exec, "readFile", readScript, path, undefined), (bytes) => bytes.length > 0)

/** See `Capsule.writeFile`. */
export const write = <E, R>(
  exec: Exec["Service"],
  path: string,
  content: string | Uint8Array | Stream.Stream<Uint8Array, E, R>
): Effect.Effect<void, ExecError | PlatformError.PlatformError | E, R> =>
  Stream.runDrain(
    steps(exec, "writeFile", writeScript, path, typeof content === "string" ? encoder.encode(content) : content)
  )
