/**
 * The HTTP half of a server of capsules, as PROTOCOL.md has it.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as HttpClientResponses from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as ExecError from "effect-exec/ExecError"
import * as Host from "effect-exec/Host"
import * as ProcessId from "effect-exec/ProcessId"
import { CapsuleInfo, CreateCapsule } from "../CapsuleInfo.ts"
import type { CapsuleClient } from "../CapsuleClient.ts"
import { again } from "./again.ts"
import { backend } from "./failure.ts"

// A capsule that ends may need its processes' graces for that; a server that is dead needs no longer to be known so.
const patience = Duration.seconds(30)

const infoOf = HttpClientResponses.schemaBodyJson(Schema.toCodecJson(CapsuleInfo))
const infosOf = HttpClientResponses.schemaBodyJson(Schema.toCodecJson(Schema.Array(CapsuleInfo)))
const errorOf = HttpClientResponses.schemaBodyJson(Schema.toCodecJson(ExecError.ExecError))
const encodeCreate = HttpClientRequest.schemaBodyJson(Schema.toCodecJson(CreateCapsule))

const unavailable = (text: string, code?: number): ExecError.ExecError =>
  ExecError.make(
    new ExecError.BackendUnavailable({
      backend,
      hint: "Does a capsule server listen there, and can it be reached from here?",
      detail: { backend, text, ...(code === undefined ? {} : { code: String(code) }) }
    })
  )

// What the server says of a failure; whoever else may have answered says nothing that helps.
const refused = (response: HttpClientResponse): Effect.Effect<never, ExecError.ExecError> =>
  Effect.matchEffect(errorOf(response), {
    onSuccess: (error) => Effect.fail(error),
    onFailure: () => Effect.fail(unavailable("its answer is not one of a capsule server's", response.status))
  })

const told = (error: HttpClientError | Schema.SchemaError): ExecError.ExecError =>
  unavailable(error._tag === "SchemaError" ? "its answer is not one of a capsule server's" : error.message)

/** The calls at an address. */
export const make = Effect.fnUntraced(function* (
  url: string,
  token: Redacted.Redacted<string> | undefined
): Effect.fn.Return<Omit<CapsuleClient["Service"], "exec">> {
  const given = yield* Effect.serviceOption(HttpClient.HttpClient)
  const client = Option.isSome(given)
    ? given.value
    : yield* HttpClient.HttpClient.pipe(Effect.provide(FetchHttpClient.layer))

  const ask = <A>(
    request: Effect.Effect<HttpClientRequest.HttpClientRequest>,
    answer: (response: HttpClientResponse) => Effect.Effect<A, HttpClientError | Schema.SchemaError>
  ): Effect.Effect<A, ExecError.ExecError> => {
    const execute = Effect.flatMap(request, (request) => {
      const shown = token === undefined ? request : HttpClientRequest.bearerToken(request, token)
      return client.execute(HttpClientRequest.prependUrl(shown, url))
    })
    const asked = execute.pipe(
      // What was cut may have done what it should; every request may be made twice.
      (asked) => again(asked, () => true),
      Effect.mapError(told),
      Effect.flatMap((response) =>
        response.status < 400 ? Effect.mapError(answer(response), told) : refused(response)
      )
    )
    return Effect.raceFirst(
      asked,
      Effect.flatMap(Host.sleep(patience), () => Effect.fail(unavailable("it did not answer")))
    )
  }

  const at = (id: string): string => `/capsules/${encodeURIComponent(id)}`

  return {
    create: Effect.fnUntraced(function* ({ id, idleTimeout, template }) {
      const body = {
        template,
        // Or asking again might make two.
        id: id ?? (yield* ProcessId.random),
        ...(idleTimeout === undefined ? {} : { idleTimeout: yield* Host.checkDuration("idleTimeout", idleTimeout) })
      }
      const request = yield* Effect.orDie(encodeCreate(HttpClientRequest.post("/capsules"), body))
      return yield* ask(Effect.succeed(request), infoOf)
    }),
    list: ask(Effect.succeed(HttpClientRequest.get("/capsules")), infosOf),
    get: (id) => ask(Effect.succeed(HttpClientRequest.get(at(id))), infoOf),
    destroy: (id) =>
      Effect.suspend(() => {
        let times = 0
        const request = Effect.sync(() => {
          times++
          return HttpClientRequest.delete(at(id))
        })
        return ask(request, () => Effect.void).pipe(
          // The first time, of which no answer came, has ended it.
          Effect.catchIf(
            (error) => times > 1 && error.reason._tag === "SandboxNotFound",
            () => Effect.void
          )
        )
      })
  }
})
