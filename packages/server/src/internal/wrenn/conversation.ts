/**
 * What is said over a WebSocket of the API: who one is, where that was not shown before, and then what the path is for.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as WrennWire from "@effect-exec/capsule/WrennWire"
import * as ExecError from "effect-exec/ExecError"
import type { WebSocket } from "ws"
import type { Limits } from "../../Limits.ts"
import type { Identify } from "../auth.ts"
import type { Capsule } from "../capsule.ts"
import type { Capsules } from "../capsules.ts"
import type { Report } from "../telemetry.ts"
import { asData, words } from "./failure.ts"
import { usable } from "./requests.ts"
import { Frames, parse } from "./sockets.ts"
import { connect, start, WrongFrame } from "./streams.ts"
import { terminal } from "./terminal.ts"

/** A socket of somebody who may have shown who he is. */
export interface Guest {
  readonly socket: WebSocket
  readonly topic: Topic
  /** What the request had to show. */
  readonly shown: string | undefined
  /** From where. */
  readonly address: string | undefined
  /** Told when it is known who he is. */
  readonly entered: () => void
}

/** What conversations need. */
export interface Parts {
  readonly report: Report
  readonly capsules: Capsules
  readonly identify: Identify
  readonly limits: Limits
}

/** What a path is for. */
export interface Topic {
  readonly capsule: string
  readonly about: "stream" | "terminal" | { readonly process: string }
}

const form = /^\/v1\/capsules\/([^/]+)\/(?:(exec\/stream)|(pty)|processes\/([^/]+)\/stream)$/

/** What a path is for, if it is one of these. */
export const topic = (path: string): Topic | undefined => {
  const match = form.exec(path)
  if (match === null) return undefined
  try {
    const [capsule = "", selector = ""] = [match[1], match[4]].map((part) => decodeURIComponent(part ?? ""))
    return {
      capsule,
      about: match[2] !== undefined ? "stream" : match[3] !== undefined ? "terminal" : { process: selector }
    }
  } catch {
    return undefined
  }
}

// How long one has to say who one is, in milliseconds.
const authenticationMillis = 5_000

const decodeToken = Schema.decodeUnknownOption(WrennWire.Authenticate)

const authenticate = ({ identify, limits }: Parts, frames: Frames): Effect.Effect<boolean> =>
  Effect.timeoutOrElse(frames.next, {
    duration: Math.min(authenticationMillis, limits.greeting),
    orElse: () => Effect.succeed(undefined)
  }).pipe(
    Effect.map((frame) => {
      const said = decodeToken(parse(frame))
      return Option.isSome(said) && identify(said.value.token) !== undefined
    })
  )

const discuss = (frames: Frames, capsule: Capsule, { about }: Topic, limits: Limits) =>
  about === "stream"
    ? start(frames, capsule, limits)
    : about === "terminal"
      ? terminal(frames, capsule, limits)
      : connect(frames, capsule, about.process)

const apology = (cause: Cause.Cause<unknown>, isFatal: boolean) => {
  const error = Cause.squash(cause)
  const fatal = isFatal ? { fatal: true } : {}
  if (ExecError.isExecError(error)) {
    return Effect.succeed({ type: "error", data: words(error), exec_error: asData(error), ...fatal })
  }
  if (error instanceof WrongFrame) return Effect.succeed({ type: "error", data: error.problem, ...fatal })
  const failed = { type: "error", data: "the server failed; its log says how", ...fatal }
  return Effect.as(Effect.logError("A conversation failed", cause), failed)
}

/** Holds conversations, each to its end. */
export const make = (parts: Parts): ((guest: Guest) => Effect.Effect<void>) => {
  const { capsules, identify, limits, report } = parts
  // In the order in which they came.
  const strangers = new Set<WebSocket>()

  // When there are too many the oldest gives way, so that strangers cannot keep clients out.
  const asStranger = <A>(socket: WebSocket, effect: Effect.Effect<A>): Effect.Effect<A> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const [oldest] = strangers
        if (strangers.size >= limits.strangers) oldest?.terminate()
        strangers.add(socket)
      }),
      () => effect,
      () => Effect.sync(() => strangers.delete(socket))
    )

  return ({ address, entered, shown, socket, topic }) => {
    const frames = new Frames(socket)
    const isKnown = identify(shown) !== undefined
    if (isKnown) entered()
    return Effect.gen(function* () {
      if (!isKnown) {
        if (!(yield* asStranger(socket, authenticate(parts, frames)))) {
          report({ reason: "unauthorized", problem: "the token is missing or wrong", address })
          return yield* frames.sayLast({ type: "error", data: "authentication failed" })
        }
        entered()
      }
      // Only now: which capsules there are is nothing for strangers.
      const capsule = yield* usable(capsules, topic.capsule)
      return yield* capsule.use(discuss(frames, capsule, topic, limits))
    }).pipe(
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.void
          : Effect.flatMap(apology(cause, topic.about === "terminal"), (message) => frames.sayLast(message))
      ),
      Effect.ensuring(frames.close)
    )
  }
}
