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
import type { ExecError } from "effect-exec/ExecError"
import * as Host from "effect-exec/Host"
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
  /** A socket, which connects when it is read. */
  readonly socket: (path: string) => Socket.Socket
}

const usual = Duration.seconds(30)

/** What an answer has to say; nothing where that is no JSON. */
export const bodyOf = (response: HttpClientResponse): Effect.Effect<unknown> =>
  Effect.orElseSucceed(response.json, () => undefined)

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

  const send: Http["send"] = ({ body, method, patience = usual, path }) => {
    const request = HttpClientRequest.make(method)(`${base}${path}`).pipe(
      apiKey === undefined ? (it) => it : HttpClientRequest.setHeader("X-API-Key", Redacted.value(apiKey)),
      body === undefined
        ? (it) => it
        : HttpClientRequest.setBody(HttpBody.isHttpBody(body) ? body : HttpBody.jsonUnsafe(body))
    )
    return Effect.raceFirst(
      Effect.mapError(client.execute(request), (error) => failure.unavailable(error.message)),
      Effect.flatMap(Host.sleep(patience), () => Effect.fail(failure.unavailable("it did not answer")))
    )
  }

  const ask: Http["ask"] = (asked) =>
    Effect.flatMap(send(asked), (response) =>
      response.status < 400
        ? Effect.succeed(response)
        : Effect.flatMap(bodyOf(response), (body) => Effect.fail(failure.ofResponse(response.status, body, asked)))
    )

  return {
    send,
    ask,
    json: (request, schema) =>
      Effect.flatMap(ask(request), (response) =>
        response.json.pipe(
          Effect.flatMap(Schema.decodeUnknownEffect(schema)),
          Effect.mapError(() => failure.unavailable("its answer is not one of this API's"))
        )
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
