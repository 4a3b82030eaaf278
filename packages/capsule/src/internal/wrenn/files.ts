/**
 * Files over Wrenn's API.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpBody from "effect/http/HttpBody"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ExecError from "effect-exec/ExecError"
import * as ProcessId from "effect-exec/ProcessId"
import * as WrennWire from "../../WrennWire.ts"
import { web } from "../web.ts"
import * as failure from "./failure.ts"
import { at, bodyOf, decoded, type Http, type Request } from "./http.ts"

/** What can go wrong with a file: it, or the way to it. */
export type FileError = ExecError.ExecError | PlatformError.PlatformError

/** What can be done with the files of a capsule. */
export interface Files {
  /** Reads a file, as fast as it is taken. What was given before a failure is good. */
  readonly read: (path: string) => Stream.Stream<Uint8Array, FileError>
  /**
   * Writes a file, as large as it likes, and makes its directories. Interrupting it may leave part of it; this project's server
   * gives up on what brings less than 16 KiB in 30 s.
   */
  readonly write: <E = never, R = never>(
    path: string,
    content: string | Uint8Array | Stream.Stream<Uint8Array, E, R>
  ) => Effect.Effect<void, FileError | E, R>
  /** What is in a directory, and so many levels below it; one by default. */
  readonly list: (path: string, depth?: number) => Effect.Effect<ReadonlyArray<WrennWire.Entry>, FileError>
  /** Makes a directory, and those above it. Fails with `AlreadyExists`. */
  readonly makeDirectory: (path: string) => Effect.Effect<WrennWire.Entry, FileError>
  /** Removes a file, or a directory with all that is in it. */
  readonly remove: (path: string) => Effect.Effect<void, FileError>
}

const encoder = new web.TextEncoder()
const decode = Schema.decodeUnknownOption(WrennWire.Failure)

const tags = { 400: "BadResource", 403: "PermissionDenied", 404: "NotFound", 409: "AlreadyExists" } as const

const codes = new Set([
  "not_found",
  "already_exists",
  "conflict",
  "forbidden",
  "invalid_request",
  "validation_failed",
  "too_large",
  "payload_too_large",
  "agent_error"
])

// Of the service itself one generation says that a file is missing with the status of a gateway.
const missing = /not[ _]found|no such file/i

/** What is wrong with a file; where it is the capsule, that. */
const failed = (method: string, path: string, capsule: string, status: number, body: unknown): FileError => {
  const error = Option.getOrUndefined(decode(body))?.error
  if (error === undefined || !codes.has(error.code) || /^sandbox/i.test(error.message)) {
    return failure.ofResponse(status, body, { capsule })
  }
  const known = tags[status as keyof typeof tags] ?? (missing.test(error.message) ? "NotFound" : "Unknown")
  return PlatformError.systemError({
    _tag: known,
    module: "WrennCapsule",
    method,
    pathOrDescriptor: path,
    description: error.message
  })
}

// A form of two parts, which comes as fast as it is sent.
const form = <E, R>(path: string, content: Stream.Stream<Uint8Array, E, R>, boundary: string) => {
  const head = [
    `--${boundary}\r\nContent-Disposition: form-data; name="path"\r\n\r\n${path}\r\n`,
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n`,
    "Content-Type: application/octet-stream\r\n\r\n"
  ].join("")
  const part = (text: string) => Stream.succeed<Uint8Array>(encoder.encode(text))
  return part(head).pipe(Stream.concat(content), Stream.concat(part(`\r\n--${boundary}--\r\n`)))
}

/** The files of a capsule. */
export const make = (http: Http, capsule: string): Files => {
  const ask = (
    method: string,
    path: string,
    route: string,
    request: Pick<Request, "body" | "patience">
  ): Effect.Effect<HttpClientResponse, FileError> =>
    Effect.flatMap(
      http.send({ method: "POST", path: `${at(capsule)}/files/${route}`, capsule, ...request }),
      (response) =>
        response.status < 400
          ? Effect.succeed(response)
          : Effect.flatMap(bodyOf(response), (body) =>
              Effect.fail(failed(method, path, capsule, response.status, body))
            )
    )

  const json = <A, I>(
    method: string,
    path: string,
    route: string,
    body: object,
    schema: Schema.Codec<A, I>
  ): Effect.Effect<A, FileError> =>
    Effect.flatMap(ask(method, path, route, { body }), (response) => decoded(response, schema, { capsule }))

  return {
    read: (path) =>
      Stream.unwrap(
        Effect.map(ask("read", path, "stream/read", { body: { path } }), (response) =>
          Stream.mapError(response.stream, (error) => failure.lost(error.message))
        )
      ),
    write: <E = never, R = never>(path: string, content: string | Uint8Array | Stream.Stream<Uint8Array, E, R>) =>
      Stream.isStream(content)
        ? streamed(path, content)
        : streamed(path, Stream.succeed(typeof content === "string" ? encoder.encode(content) : content)),
    list: (path, depth = 1) =>
      Effect.map(json("list", path, "list", { path, depth }, WrennWire.Entries), ({ entries }) => entries ?? []),
    makeDirectory: (path) =>
      Effect.map(json("makeDirectory", path, "mkdir", { path }, WrennWire.Made), ({ entry }) => entry),
    remove: (path) => Effect.asVoid(ask("remove", path, "remove", { body: { path } }))
  }

  function streamed<E, R>(
    path: string,
    content: Stream.Stream<Uint8Array, E, R>
  ): Effect.Effect<void, FileError | E, R> {
    return Effect.gen(function* () {
      const context = yield* Effect.context<R>()
      const boundary = yield* ProcessId.random
      // Its own failure comes back through the request, which would else only say that it was cut.
      let failure: { readonly error: E } | undefined
      const watched = Stream.tapError(content, (error) => Effect.sync(() => (failure = { error })))
      const body = HttpBody.stream(
        Stream.provideContext(form(path, watched, boundary), context),
        `multipart/form-data; boundary=${boundary}`
      )
      const sent = ask("write", path, "stream/write", { body, patience: Duration.infinity })
      yield* Effect.mapError(Effect.asVoid(sent), (error) => failure?.error ?? error)
    })
  }
}
