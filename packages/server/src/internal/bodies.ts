/**
 * Bodies of requests, in time: whoever is let in may still be slow, or worse.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import type * as Scope from "effect/Scope"
import * as Host from "effect-exec/Host"

const unless = <A, E, R, E2, R2>(
  late: Effect.Effect<never, E2, R2>,
  body: Effect.Effect<A, E, R>
): Effect.Effect<A, E | E2, R | R2 | Scope.Scope> =>
  // Ended with the request: ending it before would cut the connection, and nobody could be answered.
  Effect.flatMap(Effect.forkScoped(body), (reading) => Effect.raceFirst(Fiber.join(reading), late))

/** Reads a body that has to be there after so many milliseconds. */
export const inTime = <A, E, R, E2>(body: Effect.Effect<A, E, R>, millis: number, late: E2) =>
  unless(Effect.andThen(Host.sleep(Duration.millis(millis)), Effect.fail(late)), body)

// Of a body that is as long as it likes: with less in a time nobody is on his way.
const least = 16 * 1024

/** Reads a body of which at least 16 KiB have to come in so many milliseconds, each time; how slowly they are taken is not counted. */
export const atPace = <A, E, R, E2>(body: Effect.Effect<A, E, R>, millis: number, late: E2) =>
  unless(
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      const incoming = NodeHttpServerRequest.toIncomingMessage(request)
      // What has arrived is read first, should this thread have stood still.
      const window = Effect.andThen(Host.sleep(Duration.millis(millis)), Host.sleep(Duration.millis(1)))
      const look = (before: number): Effect.Effect<never, E2> =>
        Effect.flatMap(window, () => {
          if (incoming.complete) return Effect.never
          const { bytesRead } = incoming.socket
          // What waits here is not waited for.
          return incoming.readableLength > 0 || bytesRead - before >= least ? look(bytesRead) : Effect.fail(late)
        })
      return look(incoming.socket.bytesRead)
    }),
    body
  )
