/**
 * One session at a capsule server: its channels, and the sockets that carry them one after the other.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Capabilities } from "effect-exec/Capabilities"
import type { ExecError } from "effect-exec/ExecError"
import * as Host from "effect-exec/Host"
import type { Connect, Connection, Receiver } from "../Connection.ts"
import * as Frame from "../Frame.ts"
import { Link } from "../Link.ts"
import { ExtraBudget } from "../ReceiveWindow.ts"
import * as Wire from "../Wire.ts"
import type { Channel } from "./channel.ts"
import * as failure from "./failure.ts"
import { web } from "./web.ts"

// How long silences and outages may be, in milliseconds. PROTOCOL.md says why: 10 + 15 stay below the server's 30.
const pingAfter = 5_000
const silentAfter = 10_000
const lookEvery = Duration.millis(2_500)
const greetingMillis = 10_000
const resumeMillis = 15_000

// The first attempt comes at once; then not so often that a server in trouble has one trouble more.
const firstDelay = 20
const longestDelay = 1_000

// After these nobody comes back.
const finalCodes: ReadonlySet<number> = new Set(
  Object.values(Wire.closeCodes).filter((code) => code !== Wire.closeCodes.silent)
)

interface Open {
  readonly channel: Channel
  /** How many messages had been said before the one that opened it. */
  readonly saidBefore: number
}

/** Why there is no socket: for those who would come back, and for those whom it ends. */
interface Refusal {
  readonly loss: failure.Loss
  readonly error: ExecError
}

export class Session {
  /** For the windows of its channels. */
  readonly budget = new ExtraBudget()
  readonly link = new Link((message) => this.take(message))
  /** Credit that every stdin has from the start; known once the server has welcomed. */
  stdinWindow = 0
  /** What the place can do, once somebody asked. */
  capabilities: Capabilities | undefined

  private readonly connect: Connect
  private readonly token: Redacted.Redacted<string> | undefined
  private readonly id: string
  private readonly channels = new Map<number, Open>()
  private lastChannel = 0
  // What is lost from now on, once the session is over.
  private over: ((started: boolean) => ExecError) | undefined

  constructor(connect: Connect, token: Redacted.Redacted<string> | undefined) {
    this.connect = connect
    this.token = token
    const bytes = web.crypto.getRandomValues(new Uint8Array(16))
    this.id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
  }

  /** Whether nothing can be asked of it any more. */
  readonly hasEnded = (): boolean => this.over !== undefined

  /** A number for a channel, which the message that is said next opens. After the end it is lost at once. */
  open(channel: Channel): number {
    const number = ++this.lastChannel
    if (this.over === undefined) this.channels.set(number, { channel, saidBefore: this.link.saidCount })
    else channel.lose(this.over(false), false)
    return number
  }

  /** A number of the server's for a part of a channel. */
  adopt(number: number, channel: Channel): void {
    this.channels.set(number, { channel, saidBefore: this.link.saidCount })
  }

  /** Nothing about this number is of interest any more. */
  forget(number: number): void {
    this.channels.delete(number)
  }

  /** Says something. After the end it goes nowhere. */
  say(message: Wire.ClientMessage): void {
    if (this.over === undefined) this.link.send(Wire.clientMessage.encode(message))
  }

  /** Gives credit for output. */
  grant(channel: number, bytes: number): void {
    if (this.over === undefined) this.link.send(Frame.encode(Frame.kinds.credit, channel, bytes))
  }

  /**
   * Greets the server, then lives until the scope is closed or the session is lost. Fails when the server cannot be reached at
   * first: only who has a session comes back.
   */
  get start(): Effect.Effect<void, ExecError, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const greeted = Deferred.makeUnsafe<void, ExecError>()
      yield* Effect.forkScoped(this.run(greeted), { startImmediately: true })
      // Closes before what carries it: a socket that is only let go of leaves the session to the server's grace.
      yield* Effect.addFinalizer(() => Effect.sync(() => this.end(() => failure.closed)))
      yield* Deferred.await(greeted)
    })
  }

  private run(greeted: Deferred.Deferred<void, ExecError>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      let ended = yield* this.overSocket(greeted, greetingMillis)
      if (Result.isFailure(ended)) {
        const { error } = ended.failure
        this.end(() => error)
        Deferred.doneUnsafe(greeted, Effect.fail(error))
        return
      }
      let lostAt = web.performance.now()
      let delay = 0
      while (true) {
        const loss = Result.isSuccess(ended) ? ended.success : ended.failure.loss
        const left = lostAt + resumeMillis - web.performance.now()
        // Who has nothing there begins anew when there is something again.
        if (finalCodes.has(loss.code) || this.channels.size === 0 || left < delay) return this.lose(loss)
        if (delay > 0) yield* Host.sleep(Duration.millis(delay))
        ended = yield* this.overSocket(undefined, Math.min(greetingMillis, left - delay))
        if (Result.isSuccess(ended)) {
          lostAt = web.performance.now()
          delay = 0
        } else delay = Math.min(longestDelay, Math.max(firstDelay, delay * (1.5 + (yield* Random.next))))
      }
    })
  }

  /** Opens a socket, greets, and carries the session over it until that is lost. */
  private overSocket(
    greeted: Deferred.Deferred<void, ExecError> | undefined,
    millis: number
  ): Effect.Effect<Result.Result<failure.Loss, Refusal>> {
    const lost = Deferred.makeUnsafe<failure.Loss>()
    const welcomed = Deferred.makeUnsafe<void>()
    let connection: Connection | undefined
    let isWelcome = false

    const receiver: Receiver = {
      frame: (frame) => {
        if (this.over !== undefined) return
        const problem = isWelcome ? this.link.frame(frame) : this.welcome(frame, connection!)
        if (problem !== undefined) {
          connection!.close(Wire.closeCodes.wrongFrame, problem.slice(0, 120))
          Deferred.doneUnsafe(lost, Effect.succeed({ code: Wire.closeCodes.wrongFrame, text: problem }))
        } else if (!isWelcome) {
          isWelcome = true
          Deferred.doneUnsafe(welcomed, Effect.void)
        }
      },
      closed: (code, reason) => {
        Deferred.doneUnsafe(lost, Effect.succeed({ code, text: reason === "" ? "the connection was closed" : reason }))
      }
    }

    const refusedLater = Effect.flatMap(Deferred.await(lost), (loss) =>
      Effect.fail<Refusal>({ loss, error: failure.refused(loss) })
    )
    const greet = Effect.gen({ self: this }, function* () {
      connection = yield* Effect.mapError(this.connect(receiver), (error): Refusal => ({
        loss: { code: 1006, text: error.message },
        error
      }))
      const token = this.token === undefined ? {} : { token: Redacted.value(this.token) }
      const resume = greeted === undefined
      const { id: session, link } = this
      connection.send(Wire.hello.encode({ _tag: "Hello", session, resume, received: link.receivedCount, ...token }))
      yield* Effect.raceFirst(Deferred.await(welcomed), refusedLater)
    })
    const inTime = Effect.raceFirst(
      greet,
      Effect.flatMap(Host.sleep(Duration.millis(millis)), () => Effect.fail(silent))
    )
    const carried = Effect.suspend(() => {
      if (greeted !== undefined) Deferred.doneUnsafe(greeted, Effect.void)
      return Effect.raceFirst(Deferred.await(lost), this.heartbeat)
    })
    return Effect.andThen(inTime, carried).pipe(
      Effect.ensuring(Effect.sync(() => this.link.disconnected())),
      Effect.scoped,
      Effect.result
    )
  }

  private welcome(frame: string | Uint8Array, connection: Connection): string | undefined {
    const welcome = Wire.welcome.decode(frame)
    if (welcome === undefined) return "the first frame is no Welcome"
    this.stdinWindow = welcome.limits.stdinWindow
    return this.link.connected(connection, welcome.received)
  }

  // Ends when nothing was heard for too long.
  private get heartbeat(): Effect.Effect<failure.Loss> {
    const look: Effect.Effect<failure.Loss> = Effect.flatMap(Host.sleep(lookEvery), () => {
      const silence = web.performance.now() - this.link.heardAt
      if (silence > silentAfter) return Effect.succeed(silent.loss)
      if (silence > pingAfter) this.link.ping()
      return look
    })
    return look
  }

  private take(message: string | Frame.Frame): string | undefined {
    if (typeof message === "string") {
      const decoded = Wire.serverMessage.decode(message)
      if (decoded === undefined) return "a message that is none of this protocol's"
      const { channel: number } = decoded
      const answer = this.channels.get(number)?.channel.message(decoded)
      if (answer === true) this.forget(number)
      return typeof answer === "string" ? answer : undefined
    }
    if (message.kind === Frame.kinds.stdin) return "stdin for the client"
    return this.channels.get(message.channel)?.channel.frame?.(message)
  }

  private lose(loss: failure.Loss): void {
    this.end((started) => failure.lost(loss, started))
  }

  private end(over: (started: boolean) => ExecError): void {
    if (this.over !== undefined) return
    this.over = over
    this.link.close(Wire.closeCodes.done, "")
    const given = this.link.givenCount
    for (const { channel, saidBefore } of this.channels.values()) {
      const started = given > saidBefore
      channel.lose(over(started), started)
    }
    this.channels.clear()
  }
}

const silent: Refusal = {
  loss: { code: Wire.closeCodes.silent, text: "nothing was heard of the server for too long" },
  error: failure.unavailable(
    { code: Wire.closeCodes.silent, text: "it did not answer" },
    "Is it really a capsule server that listens there?"
  )
}
