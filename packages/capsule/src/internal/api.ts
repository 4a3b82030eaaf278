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
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as ExecError from "effect-exec/ExecError"
import * as Host from "effect-exec/Host"
import * as ProcessId from "effect-exec/ProcessId"
import { CapsuleInfo, CreateCapsule } from "../CapsuleInfo.ts"
import type { CapsuleClient } from "../CapsuleClient.ts"
import { backend } from "./failure.ts"

// A capsule that ends may need its processes' graces for that; a server that is dead needs no longer to be known so.
const patience = Duration.seconds(30)

// A request that was cut may have done what it should; every one of them may be made twice.
const again = { times: 2, schedule: Schedule.exponential("100 millis") }

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
    request: HttpClientRequest.HttpClientRequest,
    answer: (response: HttpClientResponse) => Effect.Effect<A, HttpClientError | Schema.SchemaError>
  ): Effect.Effect<A, ExecError.ExecError> => {
    const shown = token === undefined ? request : HttpClientRequest.bearerToken(request, token)
    const asked = client.execute(HttpClientRequest.prependUrl(shown, url)).pipe(
      Effect.retry(again),
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
      return yield* ask(request, infoOf)
    }),
    list: ask(HttpClientRequest.get("/capsules"), infosOf),
    get: (id) => ask(HttpClientRequest.get(at(id)), infoOf),
    destroy: (id) => ask(HttpClientRequest.delete(at(id)), () => Effect.void)
  }
})
