/**
 * An `Exec` that can be paused: what runs is stopped where it is, and nothing starts, until it is resumed.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Exec } from "effect-exec/Exec"
import * as ExecError from "effect-exec/ExecError"
import type { ProcessHandle } from "effect-exec/Process"

export class Pausable {
  /** The same, as far as it is not paused. */
  readonly exec: Exec["Service"]
  isPaused = false

  private readonly inner: Exec["Service"]
  // What scopes own; what is detached is in the list.
  private readonly live = new Set<ProcessHandle>()

  constructor(id: string, inner: Exec["Service"]) {
    const gate = Effect.suspend(() =>
      this.isPaused
        ? Effect.fail(ExecError.make(new ExecError.SandboxNotRunning({ sandbox: id, state: "paused" })))
        : Effect.void
    )
    this.inner = inner
    this.exec = {
      ...inner,
      spawn: (command, options) =>
        Effect.andThen(gate, inner.spawn(command, options)).pipe(
          Effect.tap((process) =>
            Effect.acquireRelease(
              Effect.sync(() => this.live.add(process)),
              () => Effect.sync(() => this.live.delete(process))
            )
          )
        ),
      run: (command, options) => Effect.andThen(gate, inner.run(command, options)),
      stream: (command, options) => Stream.unwrap(Effect.as(gate, inner.stream(command, options))),
      detach: (command, options) => Effect.andThen(gate, inner.detach(command, options))
    }
  }

  /** Stops what runs. What was just about to start may still do so. */
  get pause(): Effect.Effect<void, ExecError.ExecError> {
    return Effect.suspend(() => {
      this.isPaused = true
      return this.signal("SIGSTOP")
    })
  }

  /** Lets it go on. */
  get resume(): Effect.Effect<void, ExecError.ExecError> {
    return Effect.andThen(
      this.signal("SIGCONT"),
      Effect.sync(() => void (this.isPaused = false))
    )
  }

  private signal(signal: string): Effect.Effect<void, ExecError.ExecError> {
    return Effect.flatMap(this.inner.list(), (detached) =>
      Effect.forEach(
        [
          ...Array.from(this.live, (process) => process.kill({ signal })),
          ...detached.map(({ id }) => this.inner.kill(id, { signal }))
        ],
        // It may have ended meanwhile.
        (sent) => Effect.ignore(sent),
        { concurrency: "unbounded", discard: true }
      )
    )
  }
}
