/** An agent that is a process among others may be killed, or stopped, by its own commands: nothing of them is left. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { Command, Exec } from "effect-exec"
import * as Container from "../src/Container.ts"
import * as DockerExec from "../src/DockerExec.ts"
import { available, docker, foreign, images } from "./engine.ts"

// Kills the agent and all its supervisors, the shell's own last. All are stopped first: a supervisor would otherwise end
// its tree when it sees that the agent has gone, and the agent continue it, or end what falls to itself.
const betrayal = `
  for comm in /proc/[0-9]*/comm; do
    pid=\${comm#/proc/}; pid=\${pid%/comm}
    if [ "$(cat $comm)" = agent-command ] && [ $pid != $PPID ]; then supervisors="$supervisors $pid"; fi
  done
  agent=$(cut -d ' ' -f 4 /proc/$PPID/stat)
  kill -STOP $agent $supervisors $PPID; kill -KILL $supervisors $agent $PPID; sleep 301`

const eventually = (fact: Effect.Effect<boolean>) =>
  Effect.repeat(fact, { while: (is) => !is, schedule: Schedule.spaced(20) })

const left = (id: string, what: string) =>
  Effect.map(
    Effect.promise(() => docker("top", id, "-eo", "pid,args")),
    (list) => list.split("\n").filter((line) => line.includes(what))
  )

describe.runIf(available)("an agent in somebody's container", () => {
  const cases = [
    ["root", undefined, {}],
    ["a user, by an agent that is root", undefined, { user: "1234:5" }],
    ["a user, by an agent of his own", "1234:5", {}]
  ] as const
  for (const [who, agentUser, user] of cases) {
    it.live(`killed together with its supervisors: what it ran as ${who} is gone before anybody is told`, () =>
      Effect.gen(function* () {
        const id = yield* foreign(images.busybox)
        const exec = yield* Effect.flatMap(Container.get({ container: id, user: agentUser }), DockerExec.make)
        const victim = yield* exec.detach(Command.make("/bin/sh", ["-c", "(setsid sleep 301 &); sleep 301"], user))
        yield* eventually(Effect.map(left(id, "sleep 301"), ({ length }) => length >= 2))
        const traitor = yield* Effect.forkChild(Effect.flip(exec.run(Command.shell(betrayal))))
        const lost = yield* Effect.flip(victim.wait())
        assert.deepStrictEqual(yield* left(id, "sleep 301"), [])
        assert.strictEqual("reason" in lost ? lost.reason._tag : lost, "ConnectionLost")
        yield* Fiber.join(traitor)
      })
    )
  }

  it.live("stopped: it, and all that it started, is gone when the scope is closed", () =>
    Effect.gen(function* () {
      const id = yield* foreign(images.busybox)
      yield* Effect.gen(function* () {
        const exec = yield* Effect.flatMap(Container.get({ container: id }), DockerExec.make)
        const stop = "setsid env -i /bin/sleep 301 & kill -STOP $(cut -d ' ' -f 4 /proc/$PPID/stat); sleep 301"
        yield* Effect.forkScoped(exec.run(Command.shell(stop)))
        yield* eventually(Effect.map(left(id, "sleep 301"), ({ length }) => length >= 2))
      }).pipe(Effect.scoped, Exec.withDefaults({ grace: 100, killDeadline: 500 }))
      assert.deepStrictEqual(yield* left(id, "sleep 301"), [])
      assert.deepStrictEqual(yield* left(id, "effect-exec-agent"), [])
    })
  )
})
