/**
 * A detached process: its output goes into a ring from the first byte on, whether somebody looks or not.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { SpawnRequest } from "../Backend.ts"
import * as ExecError from "../ExecError.ts"
import type { ExecEvent, Exited, Gap } from "../ExecEvent.ts"
import type { DetachOptions } from "../ExecOptions.ts"
import { ExecResult } from "../ExecResult.ts"
import type { BufferSnapshot, DetachedProcess, EventsOptions } from "../Process.ts"
import type * as RingBuffer from "../RingBuffer.ts"
import { concat } from "./bytes.ts"
import * as check from "./check.ts"
import * as deadline from "./deadline.ts"
import { Handle } from "./handle.ts"
import type { RingEffects } from "./ringEffects.ts"
import { makeReader, type RingText } from "./ringText.ts"
import type { Supervised } from "./supervise.ts"
import * as telemetry from "./telemetry.ts"

/** How it ended, and what its output cap threw away. */
interface Final {
  readonly exited: Exited
  readonly beyondCap: Gap | undefined
}

const closed = ExecError.make(
  new ExecError.Closed({ what: "ring buffer of this process (its layer ended, or it is no longer retained)" })
)

const toEvent = (item: RingBuffer.Chunk | RingBuffer.Gap): ExecEvent =>
  item._tag === "Gap" ? item : { _tag: item.fd === 1 ? "Stdout" : "Stderr", offset: item.offset, bytes: item.bytes }

export class Detached extends Handle<ExecError.ExecError> implements DetachedProcess {
  readonly startedAt: number
  readonly ring: RingEffects
  private textOfRing: RingText | undefined
  private readonly scope: Scope.Closeable
  private readonly wakened: (process: Detached) => void
  private isForgotten = false
  private beyondCap: Gap | undefined
  private readonly final = Deferred.makeUnsafe<Final, ExecError.ExecError>()

  constructor(
    request: SpawnRequest,
    tag: string,
    stdin: DetachOptions<unknown, unknown>["stdin"],
    supervised: Supervised<ExecError.ExecError>,
    ring: RingEffects,
    startedAt: number,
    scope: Scope.Closeable,
    wakened: (process: Detached) => void
  ) {
    super(request, tag, stdin, supervised)
    this.ring = ring
    this.startedAt = startedAt
    this.scope = scope
    this.wakened = wakened
  }

  /** How the process ended, once it has. */
  get status() {
    return this.supervised.ending.exit?.status
  }

  /** It runs, as far as is known: neither has it ended, nor was it lost. */
  get isLive(): boolean {
    return this.supervised.ending.isRunning
  }

  /**
   * Moves the output into the ring. Gives true after the end, when what the process held was given back; false when there is
   * nothing to move for now, and `wakened` will be called.
   */
  get pump(): Effect.Effect<boolean> {
    const { reading } = this.supervised
    const move: Effect.Effect<void, ExecError.ExecError | Cause.Done> = Effect.flatMap(reading.pull, ([event]) =>
      Effect.flatMap(this.put(event), () => (reading.leave(this) ? Effect.void : move))
    )
    return Effect.matchCauseEffect(move, {
      onSuccess: () => Effect.succeed(false),
      onFailure: (cause) => {
        const last = Pull.isDoneCause(cause) ? Effect.void : this.lose(cause as Cause.Cause<ExecError.ExecError>)
        return Effect.as(Effect.andThen(last, this.release), true)
      }
    })
  }

  wake(): void {
    this.wakened(this)
  }

  private put(event: ExecEvent): Effect.Effect<unknown, ExecError.ExecError> {
    switch (event._tag) {
      case "Stdout":
      case "Stderr":
        return this.append(event._tag === "Stdout" ? 1 : 2, event.bytes)
      case "Gap":
        this.beyondCap = event
        return Effect.void
      case "Exited":
        // The ring first: whoever knows of the end may count on having all of the output.
        return Effect.andThen(this.ring.end, Deferred.succeed(this.final, { exited: event, beyondCap: this.beyondCap }))
      case "Started":
        return Effect.void
    }
  }

  private append(fd: 1 | 2, bytes: Uint8Array): Effect.Effect<void, ExecError.ExecError> {
    if (this.ring.overflow === "block") return this.ring.append(fd, bytes)
    this.ring.appendUnsafe(fd, bytes)
    return Effect.void
  }

  // The output was lost before its end. Where the process itself is known to have ended, that stays known.
  private lose(cause: Cause.Cause<ExecError.ExecError>): Effect.Effect<unknown> {
    const { endedBy, exit } = this.supervised.ending
    const isClosed = Cause.hasInterruptsOnly(cause) || isReason(cause, "Closed")
    if (isClosed && exit !== undefined) {
      const exited: Exited = { _tag: "Exited", ...exit, endedBy, incomplete: true }
      return Deferred.succeed(this.final, { exited, beyondCap: undefined })
    }
    return isClosed ? Deferred.fail(this.final, closed) : Deferred.failCause(this.final, cause)
  }

  private get release(): Effect.Effect<void> {
    return this.ring.end.pipe(
      Effect.andThen(Scope.close(this.scope, Exit.void)),
      Effect.andThen(this.ring.evicted),
      Effect.flatMap((evicted) => (evicted > 0 ? Metric.update(telemetry.evictedBytes, evicted) : Effect.void))
    )
  }

  /** Forgets its output and what it cost. How it ended stays known to who holds the handle. */
  get forget(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isForgotten = true
      return this.ring.close
    })
  }

  /**
   * Ends the tree, lets the last words into the ring and gives everything back. What a full ring with `"block"` has no
   * room for is lost: nobody will take it any more.
   */
  get shutdown(): Effect.Effect<void> {
    const drained = Effect.exit(Deferred.await(this.final))
    return this.supervised.ending.endBecauseUnwanted.pipe(
      Effect.andThen(this.ring.overflow === "block" ? this.ring.end : Effect.void),
      Effect.andThen(deadline.within(drained, this.supervised.ending.policy.killDeadline)),
      Effect.andThen(Scope.close(this.scope, Exit.void)),
      Effect.andThen(Deferred.fail(this.final, closed)),
      Effect.andThen(this.forget)
    )
  }

  events({ from = 0, lag }: EventsOptions = {}): Stream.Stream<ExecEvent, ExecError.ExecError> {
    const started: ExecEvent = { _tag: "Started", id: this.id, pid: this.pid }
    const output = Stream.map(this.ring.from(from, { lag }), toEvent)
    const last = Effect.map(Deferred.await(this.final), ({ beyondCap, exited }) =>
      Stream.fromIterable<ExecEvent>(beyondCap === undefined ? [exited] : [beyondCap, exited])
    )
    return Stream.succeed(started).pipe(
      Stream.concat(output),
      Stream.concat(Stream.unwrap(last)),
      Stream.catchReason("ExecError", "Closed", () => Stream.fail(closed))
    )
  }

  private remembered<A>(effect: Effect.Effect<A, ExecError.ExecError>): Effect.Effect<A, ExecError.ExecError> {
    return Effect.suspend(() => (this.isForgotten ? Effect.fail(closed) : effect))
  }

  // Made when first asked for: most processes are never read as text.
  private get text(): RingText {
    return (this.textOfRing ??= makeReader(this.ring))
  }

  get read(): Effect.Effect<BufferSnapshot, ExecError.ExecError> {
    return this.remembered(this.text.read)
  }

  get peek(): Effect.Effect<BufferSnapshot, ExecError.ExecError> {
    return this.remembered(this.text.peek)
  }

  get bufferSize(): Effect.Effect<number, ExecError.ExecError> {
    return this.remembered(this.ring.size)
  }

  get bufferOverflow(): Effect.Effect<boolean, ExecError.ExecError> {
    return Effect.map(this.evicted, (evicted) => evicted > 0)
  }

  get evicted(): Effect.Effect<number, ExecError.ExecError> {
    return this.remembered(this.text.evicted)
  }

  wait(
    options: { readonly timeout?: Duration.Input | undefined } = {}
  ): Effect.Effect<ExecResult, ExecError.ExecError> {
    const ended = Effect.flatMap(Deferred.await(this.final), (final) => this.result(final))
    if (options.timeout === undefined) return ended
    return Effect.flatMap(check.duration("timeout", options.timeout), (duration) =>
      Effect.timeoutOrElse(ended, {
        duration,
        orElse: () => Effect.fail(ExecError.make(new ExecError.WaitTimedOut({ id: this.id, after: duration })))
      })
    )
  }

  private result({ exited, beyondCap }: Final): Effect.Effect<ExecResult> {
    const { _tag, ...ended } = exited
    const held = this.ring.peekWith(({ chunks, evicted }) => ({ chunks, evicted }))
    // With the ring its output is gone, and counted; how the process ended is not.
    const nothing = Effect.map(this.ring.evicted, (evicted) => ({ chunks: [], evicted }))
    return Effect.map(
      held.pipe(Effect.catch(() => nothing)),
      ({ chunks, evicted }) =>
        new ExecResult({
          pid: this.pid,
          stdoutBytes: bytesOf(1, chunks),
          stderrBytes: bytesOf(2, chunks),
          truncated: evicted > 0 || beyondCap !== undefined,
          ...ended
        })
    )
  }
}

const bytesOf = (fd: 1 | 2, chunks: ReadonlyArray<RingBuffer.Chunk>): Uint8Array =>
  concat(chunks.filter((chunk) => chunk.fd === fd).map((chunk) => chunk.bytes))

const isReason = (cause: Cause.Cause<ExecError.ExecError>, tag: ExecError.Reason["_tag"]): boolean =>
  cause.reasons.some((reason) => reason._tag === "Fail" && reason.error.reason._tag === tag)
