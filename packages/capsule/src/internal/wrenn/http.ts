/**
 * Requests to Wrenn's API.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import type { HttpMethod } from "effect/http/HttpMethod"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import type { ExecError } from "effect-exec/ExecError"
import * as Host from "effect-exec/Host"
import * as WrennWire from "../../WrennWire.ts"
import { web } from "../web.ts"
import * as failure from "./failure.ts"

/** Where the service is, and what it wants to see. */
export interface Options {
  readonly baseUrl: string
  readonly apiKey?: Redacted.Redacted<string> | undefined
}

/** What a request is about. */
export interface Request extends failure.Asked {
  readonly method: HttpMethod
  /** After `/v1/capsules`. */
  readonly path: string
  readonly body?: object | HttpBody.HttpBody | undefined
  /** How long the answer may take; 30 s by default. */
  readonly patience?: Duration.Duration | undefined
}

/** The service, as one asks it. */
export interface Http {
  /** Gives whatever the answer is. */
  readonly send: (request: Request) => Effect.Effect<HttpClientResponse, ExecError>
  /** Fails where the answer is no success. */
  readonly ask: (request: Request) => Effect.Effect<HttpClientResponse, ExecError>
  readonly json: <A, I>(request: Request, schema: Schema.Codec<A, I>) => Effect.Effect<A, ExecError>
  /** What runs in a capsule. */
  readonly processes: (capsule: string) => Effect.Effect<ReadonlyArray<WrennWire.Process>, ExecError>
  /** A socket, which connects when it is read. */
  readonly socket: (path: string) => Socket.Socket
}

const usual = Duration.seconds(30)

// Of an answer that is read as one, in bytes: more than any listing has.
const mostAnswered = 64 * 1024 * 1024

/** What an answer has to say, which is JSON. */
const contentOf = (response: HttpClientResponse): Effect.Effect<unknown, string> =>
  response.stream.pipe(
    Stream.mapError(({ message }) => message),
    Stream.limitBytes(mostAnswered, () => Stream.fail("it is too large")),
    Stream.decodeText(),
    Stream.mkString,
    Effect.flatMap((text) => Effect.try({ try: () => JSON.parse(text) as unknown, catch: () => "it is no JSON" }))
  )

/** The same; nothing where it is no JSON. */
export const bodyOf = (response: HttpClientResponse): Effect.Effect<unknown> =>
  Effect.orElseSucceed(contentOf(response), () => undefined)

/** What an answer of this form says. */
export const decoded = <A, I>(response: HttpClientResponse, schema: Schema.Codec<A, I>, asked: failure.Asked) =>
  Effect.mapError(Effect.flatMap(contentOf(response), Schema.decodeUnknownEffect(schema)), () =>
    failure.unanswered("its answer is not one of this API's", asked)
  )

// Node's, Bun's and Deno's own take headers beside what browsers take; these take no API key over a WebSocket.
const platformSocket: Socket.WebSocketConstructor["Service"] = (url, options) =>
  new web.WebSocket(url, options as never) as never

/** The service at an address. */
export const make = Effect.fnUntraced(function* ({ apiKey, baseUrl }: Options): Effect.fn.Return<Http> {
  const given = yield* Effect.serviceOption(HttpClient.HttpClient)
  const client = Option.isSome(given)
    ? given.value
    : yield* HttpClient.HttpClient.pipe(Effect.provide(FetchHttpClient.layer))
  const open = Option.getOrElse(yield* Effect.serviceOption(Socket.WebSocketConstructor), () => platformSocket)
  const base = `${baseUrl.replace(/^ws/i, "http").replace(/\/+$/, "")}/v1/capsules`

  const execute = (asked: Request): Effect.Effect<HttpClientResponse, ExecError> => {
    const { body, method, path } = asked
    const request = HttpClientRequest.make(method)(`${base}${path}`).pipe(
      apiKey === undefined ? (it) => it : HttpClientRequest.setHeader("X-API-Key", Redacted.value(apiKey)),
      body === undefined
        ? (it) => it
        : HttpClientRequest.setBody(HttpBody.isHttpBody(body) ? body : HttpBody.jsonUnsafe(body))
    )
    return Effect.mapError(client.execute(request), (error) => failure.unanswered(error.message, asked))
  }

  const successful = (asked: Request): Effect.Effect<HttpClientResponse, ExecError> =>
    Effect.flatMap(execute(asked), (response) =>
      response.status < 400
        ? Effect.succeed(response)
        : Effect.flatMap(bodyOf(response), (body) => Effect.fail(failure.ofResponse(response.status, body, asked)))
    )

  const inTime = <A>(asked: Request, answer: Effect.Effect<A, ExecError>): Effect.Effect<A, ExecError> =>
    Effect.raceFirst(
      answer,
      Effect.flatMap(Host.sleep(asked.patience ?? usual), () =>
        Effect.fail(failure.unanswered("it did not answer", asked))
      )
    )

  const json: Http["json"] = (asked, schema) =>
    inTime(
      asked,
      Effect.flatMap(successful(asked), (response) => decoded(response, schema, asked))
    )

  return {
    send: (asked) => inTime(asked, execute(asked)),
    ask: (asked) => inTime(asked, successful(asked)),
    json,
    processes: (capsule) =>
      Effect.map(
        json({ method: "GET", path: `${at(capsule)}/processes`, capsule }, WrennWire.Processes),
        ({ processes }) => processes ?? []
      ),
    socket: (path) =>
      Effect.runSync(
        Socket.makeWebSocket(
          `${base.replace(/^http/i, "ws")}${path}`,
          apiKey === undefined ? {} : { headers: { "X-API-Key": Redacted.value(apiKey) } }
        ).pipe(Effect.provideService(Socket.WebSocketConstructor, open))
      )
  }
})

/** The path of a capsule. */
export const at = (capsule: string): string => `/${encodeURIComponent(capsule)}`
