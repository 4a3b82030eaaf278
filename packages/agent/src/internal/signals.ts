/**
 * Signals to one command, and their answers.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as ExecError from "effect-exec/ExecError"
import type { ProcessId } from "effect-exec/ProcessId"
import type { Connection } from "./connection.ts"
import type { Message } from "./message.ts"
import { scopes, sigkill } from "./protocol.ts"
import * as Requests from "./requests.ts"

type Answer = Extract<Message, { readonly _tag: "Signaled" }>

export class Signals {
  private readonly connection: Connection
  private readonly id: ProcessId
  private readonly number: number
  private requests = 0
  private pending = new Map<number, Deferred.Deferred<void, ExecError.ExecError>>()
  private killing: Deferred.Deferred<void, ExecError.ExecError> | undefined

  constructor(connection: Connection, id: ProcessId, number: number) {
    this.connection = connection
    this.id = id
    this.number = number
  }

  /** Sends it and waits for the answer. What has ended already is no failure. */
  send(signal: number, scope: number): Effect.Effect<void, ExecError.ExecError> {
    return Effect.suspend(() => Deferred.await(this.put(signal, scope)))
  }

  /** KILL to the tree, which the agent repeats until the tree is empty; one for all who ask meanwhile. */
  get killTree(): Effect.Effect<void, ExecError.ExecError> {
    return Effect.suspend(() => Deferred.await((this.killing ??= this.put(sigkill, scopes.tree))))
  }

  /** An answer came. */
  answered({ error, request }: Answer): void {
    const waiting = this.pending.get(request)
    if (waiting === undefined) return
    this.pending.delete(request)
    // A kill that failed may be asked for again.
    if (waiting === this.killing && error !== "") this.killing = undefined
    Deferred.doneUnsafe(waiting, error === "" || error === "ESRCH" ? Effect.void : Effect.fail(this.failed(error)))
  }

  /** Nothing is left that could be signalled: whoever waits for an answer has it. */
  ended(): void {
    this.finish(Effect.void)
  }

  /** No answer will come. */
  fail(lost: ExecError.ExecError): void {
    this.finish(Effect.fail(lost))
  }

  /** Whether somebody waits for an answer. */
  get isWaiting(): boolean {
    return this.pending.size > 0
  }

  /** No answer comes for now. What was sent waits there, as a signal does that is sent to what is stopped; a kill is not done. */
  still(standstill: ExecError.ExecError): void {
    const { killing, pending } = this
    this.killing = undefined
    this.pending = new Map()
    this.connection.later(() => {
      for (const waiting of pending.values()) {
        Deferred.doneUnsafe(waiting, waiting === killing ? Effect.fail(standstill) : Effect.void)
      }
    })
  }

  private put(signal: number, scope: number): Deferred.Deferred<void, ExecError.ExecError> {
    const answer = Deferred.makeUnsafe<void, ExecError.ExecError>()
    const request = (this.requests = (this.requests + 1) >>> 0)
    this.pending.set(request, answer)
    this.connection.send((to) => Requests.signal(to, this.number, request, signal, scope))
    this.connection.expect()
    return answer
  }

  private finish(answer: Effect.Effect<void, ExecError.ExecError>): void {
    const { pending } = this
    this.pending = new Map()
    for (const waiting of pending.values()) Deferred.doneUnsafe(waiting, answer)
  }

  private failed(code: string): ExecError.ExecError {
    return ExecError.make(new ExecError.KillFailed({ id: this.id, detail: { backend: this.connection.backend, code } }))
  }
}
