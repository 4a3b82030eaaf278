/**
 * All clients of one place: who is let in, which session a socket belongs to, and how long a session lives without one.
 */
import { createHash, randomUUID, timingSafeEqual } from "node:crypto"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Connection, Receiver } from "@effect-exec/capsule/Connection"
import { closeCodes, hello, type Hello } from "@effect-exec/capsule/Wire"
import type { Exec } from "effect-exec/Exec"
import type { Limits } from "./limits.ts"
import { Session } from "./session.ts"

/** What is served. */
export interface Served {
  readonly exec: Exec["Service"]
  readonly limits: Limits
  /** What a client has to show; anybody may come where there is none. */
  readonly token: Redacted.Redacted<string> | undefined
}

// Of equal length, or their comparison would tell how much of a guess was right.
const digest = (text: string) => createHash("sha256").update(text).digest()

interface Entry {
  readonly session: Session
  /** Runs while it has no socket. */
  expiry: NodeJS.Timeout | undefined
}

export class Sessions {
  private readonly served: Served
  private readonly context: Context.Context<never>
  private readonly instance = randomUUID()
  private readonly expected: Buffer | undefined
  private readonly entries = new Map<string, Entry>()
  private readonly ending = new Set<Promise<void>>()
  private isClosed = false

  constructor(served: Served, context: Context.Context<never>) {
    this.served = served
    this.context = context
    this.expected = served.token === undefined ? undefined : digest(Redacted.value(served.token))
  }

  /** How many sessions there are. */
  get size(): number {
    return this.entries.size
  }

  /** Takes a new socket, which has shown this bearer token in its upgrade, if any. */
  accept(connection: Connection, bearer?: string): Receiver {
    const { greeting } = this.served.limits
    let id: string | undefined
    const late = setTimeout(() => connection.close(closeCodes.silent, "no Hello came"), greeting)
    return {
      frame: (frame) => {
        if (this.isClosed) return
        if (id === undefined) {
          clearTimeout(late)
          const greeted = hello.decode(frame)
          if (greeted === undefined) return connection.close(closeCodes.wrongFrame, "the first frame is no Hello")
          if (this.welcome(connection, greeted, bearer)) id = greeted.session
          return
        }
        const session = this.entries.get(id)?.session
        // What is still under way on a socket that was taken over will come over the other one.
        if (session?.isOn(connection) !== true) return
        const problem = session.link.frame(frame)
        if (problem !== undefined) this.wrong(id, connection, problem)
      },
      closed: (code) => {
        clearTimeout(late)
        if (id !== undefined) this.disconnected(id, connection, code)
      }
    }
  }

  // Whether the client was let in.
  private welcome(connection: Connection, hello: Hello, bearer: string | undefined): boolean {
    const refuse = (code: number, reason: string) => {
      connection.close(code, reason)
      return false
    }
    const token = bearer ?? hello.token
    if (this.expected !== undefined && (token === undefined || !timingSafeEqual(digest(token), this.expected))) {
      return refuse(closeCodes.unauthorized, "the token is missing or wrong")
    }
    let entry = this.entries.get(hello.session)
    if (hello.resume && entry === undefined) {
      return refuse(closeCodes.sessionUnknown, "this session is not known here (any more)")
    }
    if (!hello.resume && entry !== undefined) return refuse(closeCodes.wrongFrame, "there already is such a session")
    if (entry === undefined) {
      const { sessions } = this.served.limits
      if (this.entries.size >= sessions) return refuse(closeCodes.tooMany, `there are ${sessions} sessions already`)
      const { exec, limits } = this.served
      const session = new Session(exec, limits, this.context, () => this.end(hello.session))
      entry = { session, expiry: undefined }
      this.entries.set(hello.session, entry)
    }
    clearTimeout(entry.expiry)
    entry.expiry = undefined
    const problem = entry.session.connected(connection, this.instance, hello.received)
    if (problem !== undefined) this.wrong(hello.session, connection, problem)
    return problem === undefined
  }

  private wrong(id: string, connection: Connection, problem: string): void {
    connection.close(closeCodes.wrongFrame, problem)
    this.end(id)
  }

  private disconnected(id: string, connection: Connection, code: number): void {
    const entry = this.entries.get(id)
    if (entry?.session.isOn(connection) !== true) return
    entry.session.link.disconnected()
    if (code === closeCodes.done) this.end(id)
    else entry.expiry ??= setTimeout(() => this.end(id), this.served.limits.grace)
  }

  private end(id: string): void {
    const entry = this.entries.get(id)
    if (entry === undefined) return
    this.entries.delete(id)
    clearTimeout(entry.expiry)
    const ended = Effect.runPromiseWith(this.context)(entry.session.end).finally(() => this.ending.delete(ended))
    this.ending.add(ended)
  }

  /** Lets go of the sockets of those who have been silent for too long. */
  sweep(): void {
    const since = performance.now() - this.served.limits.silence
    for (const { session } of this.entries.values()) {
      if (session.link.isConnected && session.link.heardAt < since) session.abandon()
    }
  }

  /** Tells the clients, and ends everything that they have attached; returns when that has ended. */
  get close(): Effect.Effect<void> {
    return Effect.promise(async () => {
      this.isClosed = true
      for (const [id, { session }] of this.entries) {
        session.link.close(closeCodes.goingAway, "the server is shutting down")
        this.end(id)
      }
      await Promise.all(this.ending)
    })
  }
}

/** An empty table, which the scope owns. */
export const make = (served: Served): Effect.Effect<Sessions, never, Scope.Scope> =>
  Effect.gen(function* () {
    const sessions = new Sessions(served, yield* Effect.context<never>())
    yield* Effect.acquireRelease(
      Effect.sync(() => setInterval(() => sessions.sweep(), served.limits.silence / 3)),
      (timer) => Effect.sync(() => clearInterval(timer))
    )
    yield* Effect.addFinalizer(() => sessions.close)
    return sessions
  })
