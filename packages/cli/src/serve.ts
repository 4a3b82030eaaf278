/**
 * Serves places to others.
 */
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Exec } from "effect-exec/Exec"
import * as CapsuleServer from "@effect-exec/server/CapsuleServer"
import { banner } from "./banner.ts"
import { type BrokenPipe, Failure, refuse } from "./failure.ts"
import type * as Flags from "./flags.ts"
import * as Follow from "./follow.ts"
import * as Place from "./place.ts"
import { write } from "./standardStreams.ts"
import * as Token from "./token.ts"

interface Key {
  readonly token: Redacted.Redacted<string>
  /** Where clients find it. */
  readonly file: string
}

// Where only this user sees it, and gone with the server: a secret that is used once is nobody's to keep.
const makeKey: Effect.Effect<Key, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const file = Path.join(
      Fs.mkdtempSync(Path.join(process.env["XDG_RUNTIME_DIR"] || Os.tmpdir(), "effect-exec-")),
      "token"
    )
    const token = randomBytes(32).toString("base64url")
    Fs.writeFileSync(file, `${token}\n`, { mode: 0o600 })
    return { token: Redacted.make(token), file }
  }),
  ({ file }) => Effect.sync(() => Fs.rmSync(Path.dirname(file), { recursive: true, force: true }))
)

// Who may open a Unix socket is this user already.
const keyOf = (
  file: Option.Option<string>,
  unix: Option.Option<string>
): Effect.Effect<Key | undefined, Failure, Scope.Scope> =>
  Option.isSome(file)
    ? Effect.map(Token.read(file.value), (token) => ({ token, file: Path.resolve(file.value) }))
    : Option.isSome(unix)
      ? Effect.undefined
      : makeKey

const templateOf = (text: string): Effect.Effect<readonly [name: string, layer: Layer.Layer<Exec>], Failure> => {
  const at = text.indexOf("=")
  return at < 1
    ? refuse("--template takes NAME=PLACE, as py=docker:python:3.13-slim")
    : Effect.map(Place.parse(text.slice(at + 1), undefined), ({ layer }) => [text.slice(0, at), layer])
}

const serveOne = (options: CapsuleServer.Options, on: string) =>
  Effect.gen(function* () {
    const { layer } = yield* Place.parse(on, undefined)
    const place = yield* Layer.build(layer)
    return yield* Effect.provideContext(CapsuleServer.make(options), place)
  })

/** Serves until it is interrupted; then what runs there is ended, and it returns when that is gone. */
export const serve = (flags: Flags.Serving): Effect.Effect<never, BrokenPipe | Failure> =>
  Effect.gen(function* () {
    const templates = Object.fromEntries(yield* Effect.forEach(flags.template, templateOf))
    const names = Object.keys(templates)
    const on = Option.getOrElse(flags.on, () => "local")
    if (names.length > 0 && Option.isSome(flags.on)) {
      return yield* refuse("--on and --template exclude each other: a server has one capsule, or those that are made")
    }
    if (names.length > 0 && Option.isSome(flags.unix)) {
      return yield* refuse("--unix and --template exclude each other: capsules are made over HTTP, at a port")
    }
    const { json, port } = flags
    const unix = Option.map(flags.unix, (path) => Path.resolve(path))
    const key = yield* keyOf(flags.tokenFile, unix)
    const options = {
      host: Option.getOrElse(unix, () => flags.host),
      port,
      auth: key?.token,
      idleTimeout: Option.getOrUndefined(flags.idleTimeout)
    }
    const server = yield* (
      names.length > 0 ? CapsuleServer.make({ ...options, templates }) : serveOne(options, on)
    ).pipe(Effect.mapError(({ message }) => new Failure({ message })))
    yield* json
      ? Follow.print([{ type: "serving", url: server.url, ...(key === undefined ? {} : { tokenFile: key.file }) }])
      : write("stdout", banner({ url: server.url, file: key?.file, on, templates: names }))
    return yield* Effect.never
  }).pipe(Effect.scoped)
