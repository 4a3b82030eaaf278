/**
 * The clients of one capsule: which session a socket belongs to, and how long a session lives without one.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import type { Connection, Receiver } from "@effect-exec/capsule/Connection"
import { closeCodes, type Hello } from "@effect-exec/capsule/Wire"
import type { Exec } from "effect-exec/Exec"
import type { Limits } from "../Limits.ts"
import { Session } from "./session.ts"
import * as telemetry from "./telemetry.ts"

/** What the capsules of one server share. */
export interface Shared {
  readonly limits: Limits
  /** Another one after every start of the server. */
  readonly instance: string
  /** Sessions of all capsules. */
  sessions: number
}

// Who is done, or has broken the protocol, does not come back.
const final: ReadonlySet<number> = new Set([closeCodes.done, closeCodes.tooLarge, closeCodes.wrongFrame])

interface Entry {
  readonly session: Session
  readonly context: Context.Context<never>
  /** Whose it is: nobody else may go on with it. */
  readonly client: string
  /** Runs while it has no socket. */
  expiry: NodeJS.Timeout | undefined
}

export class Sessions {
  private readonly exec: Exec["Service"]
  private readonly shared: Shared
  private readonly context: Context.Context<never>
  private readonly entries = new Map<string, Entry>()
  private readonly ending = new Set<Promise<void>>()
  private isClosed = false

  constructor(exec: Exec["Service"], shared: Shared, context: Context.Context<never>) {
    this.exec = exec
    this.shared = shared
    this.context = context
  }

  /** How many there are. */
  get size(): number {
    return this.entries.size
  }

  /** Begins a session over this socket, or goes on with it. Gives what takes the next frames, unless it is refused. */
  welcome(
    connection: Connection,
    hello: Hello,
    client: string,
    refuse: (code: number, problem: string) => void
  ): Receiver | undefined {
    const { instance, limits } = this.shared
    const { session: id } = hello
    if (this.isClosed) return void refuse(closeCodes.goingAway, "it is closing")
    let entry = this.entries.get(id)
    if (hello.resume && (entry === undefined || entry.client !== client)) {
      return void refuse(closeCodes.sessionUnknown, "this session is not known here (any more)")
    }
    if (!hello.resume && entry !== undefined)
      return void refuse(closeCodes.wrongFrame, "there already is such a session")
    if (entry === undefined) {
      if (this.shared.sessions >= limits.sessions) {
        return void refuse(closeCodes.tooMany, `there are ${limits.sessions} sessions already`)
      }
      entry = this.begin(id, client)
    } else telemetry.sessionsResumed.updateUnsafe(1, this.context)
    clearTimeout(entry.expiry)
    entry.expiry = undefined
    const problem = entry.session.connected(connection, instance, hello.received)
    if (problem !== undefined) return void this.wrong(id, connection, problem)
    const { session } = entry
    return {
      frame: (frame) => {
        // What is still under way on a socket that was taken over will come over the other one.
        if (!session.isOn(connection) || this.entries.get(id)?.session !== session) return
        const problem = session.link.frame(frame)
        if (problem !== undefined) this.wrong(id, connection, problem)
      },
      closed: (code) => this.disconnected(id, connection, code)
    }
  }

  private begin(id: string, client: string): Entry {
    const { limits } = this.shared
    // Whatever it logs says whose it is.
    const said = Context.get(this.context, References.CurrentLogAnnotations)
    const context = Context.add(this.context, References.CurrentLogAnnotations, { ...said, client })
    const session: Session = new Session(this.exec, limits, context, () =>
      // Not now: it is in the middle of what it does.
      queueMicrotask(() => {
        session.link.close(closeCodes.tooMany, `more than ${limits.kept} bytes were not acknowledged`)
        if (this.entries.get(id)?.session === session) this.end(id)
      })
    )
    const entry = { session, context, client, expiry: undefined }
    this.entries.set(id, entry)
    this.shared.sessions++
    telemetry.sessionsBegun.updateUnsafe(1, context)
    Effect.runForkWith(context)(Effect.logDebug("A client has come"))
    return entry
  }

  private wrong(id: string, connection: Connection, problem: string): void {
    connection.close(closeCodes.wrongFrame, problem)
    this.end(id)
  }

  private disconnected(id: string, connection: Connection, code: number): void {
    const entry = this.entries.get(id)
    if (entry?.session.isOn(connection) !== true) return
    entry.session.link.disconnected()
    if (final.has(code)) this.end(id)
    else entry.expiry ??= setTimeout(() => this.end(id), this.shared.limits.grace)
  }

  private end(id: string): void {
    const entry = this.entries.get(id)
    if (entry === undefined) return
    this.entries.delete(id)
    this.shared.sessions--
    clearTimeout(entry.expiry)
    const { context, session } = entry
    const end = Effect.andThen(
      session.end,
      Effect.logDebug("A client has gone, and all that it had attached has ended")
    )
    const ended = Effect.runPromiseWith(context)(end).finally(() => this.ending.delete(ended))
    this.ending.add(ended)
  }

  /** Lets go of the sockets of those who have been silent for too long. */
  sweep(): void {
    const since = performance.now() - this.shared.limits.silence
    for (const { session } of this.entries.values()) {
      if (session.link.isConnected && session.link.heardAt < since) session.abandon()
    }
  }

  /** Tells the clients why, and ends everything that they have attached; returns when that has ended. */
  close(code: number, reason: string): Effect.Effect<void> {
    return Effect.promise(async () => {
      this.isClosed = true
      for (const [id, { session }] of this.entries) {
        session.link.close(code, reason)
        this.end(id)
      }
      await Promise.all(this.ending)
    })
  }
}
