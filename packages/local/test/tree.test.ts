import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Command } from "effect-exec"
import { killTree } from "../src/internal/killTree.ts"
import * as Procfs from "../src/internal/procfs.ts"
import * as Signals from "../src/internal/signals.ts"
import * as Tree from "../src/internal/tree.ts"
import { alive, closable, eventually, numbers, readUntil, request, run, spawn, temporary } from "./support.ts"

const never = new AbortController().signal
/** A soak asks for more. */
const rounds = Number(process.env["EFFECT_EXEC_ROUNDS"] ?? 5)
/** Nobody's but this round's: what an earlier one left is not found again. */
const unique = (name: string): string => `${name}-${randomUUID()}`
/** The pids of everybody whose command line holds the word. */
const withWord = (word: string): Array<number> =>
  Fs.readdirSync("/proc").flatMap((name) => {
    const line = /^\d+$/.test(name) ? Procfs.readText(`/proc/${name}/cmdline`) : undefined
    return line?.includes(word) === true && alive(Number(name)) ? [Number(name)] : []
  })

describe("SIGKILL to the tree", () => {
  it.live(
    "C44 ends the group, a setsid'd child, and a job with a group of its own; and returns when they are gone",
    () =>
      Effect.gen(function* () {
        // The job's parent is gone, and its group is its own: only the session leads to it.
        const job = "import os, time; os.setpgid(0, 0); print(os.getpid(), flush=True); time.sleep(1003)"
        const script = `sleep 1001 & echo $!; setsid sh -c 'sleep 1002 & echo $$ $!; wait' & (python3 -c '${job}' &); wait`
        const running = yield* spawn(Command.shell(script))
        const pids = [running.pid, ...numbers(yield* readUntil(running, /(\d+\s+){4}/))]
        assert.strictEqual(pids.length, 5)
        assert.isTrue(pids.every(alive))
        yield* running.signal("SIGKILL", "tree")
        assert.deepStrictEqual(pids.filter(alive), [])
        assert.deepStrictEqual(yield* running.exited, { _tag: "Signaled", signal: "SIGKILL" })
        yield* running.treeEmpty
        yield* running.signal("SIGKILL", "tree")
      })
  )
  it.live("C45 ends a tree that forks while it is killed, into sessions of their own, its parents alive", () =>
    Effect.gen(function* () {
      // Every process of the chain starts the next, in a session of its own, and lives on. A fork copies the tables of so
      // much memory that it goes on for a while after the process was told to stop.
      const chain = `
import os, time
memory = b"x" * 100_000_000
for n in range(300):
    if n > 0: os.setsid()
    os.write(1, b"%d\\n" % os.getpid())
    if os.fork() > 0: time.sleep(1000)`
      for (let round = 0; round < rounds; round++) {
        const word = unique("racer")
        const running = yield* spawn(Command.make("python3", ["-c", chain, word]))
        yield* readUntil(running, /(\d+\n){5}/)
        yield* running.signal("SIGKILL", "tree")
        assert.deepStrictEqual(withWord(word), [])
      }
    })
  )
  it.live("C45 ends a fork bomb in one group", () =>
    Effect.gen(function* () {
      const word = unique("bomb")
      // Bounded by depth: 2^10 processes at most, each of which lives on.
      const script = `n=$1; [ $n -gt 0 ] && { sh -c "$0" "$0" $((n-1)) ${word} & sh -c "$0" "$0" $((n-1)) ${word} & }; echo x; wait; sleep 1000`
      const running = yield* spawn(Command.make("sh", ["-c", script, script, "7", word]))
      yield* readUntil(running, /(x\n){20}/)
      yield* running.signal("SIGKILL", "tree")
      assert.deepStrictEqual(withWord(word), [])
    })
  )
  it.live("ends a tree that is stopped, or ignores every signal", () =>
    Effect.gen(function* () {
      const running = yield* spawn(Command.shell("trap '' TERM INT HUP; sleep 1000 & echo $!; wait"))
      const pids = [running.pid, ...numbers(yield* readUntil(running, /\n/))]
      yield* running.signal("SIGSTOP", "tree")
      yield* eventually(() => pids.every((pid) => Procfs.read(pid)?.state === "T"))
      yield* running.signal("SIGTERM", "tree")
      yield* running.signal("SIGKILL", "tree")
      assert.deepStrictEqual(pids.filter(alive), [])
    })
  )
  it.live("interrupted, has been sent nevertheless", () =>
    Effect.gen(function* () {
      const running = yield* spawn(Command.make("sleep", ["1000"]))
      const killing = yield* Effect.forkChild(running.signal("SIGKILL", "tree"), { startImmediately: true })
      yield* Fiber.interrupt(killing)
      assert.deepStrictEqual(yield* running.exited, { _tag: "Signaled", signal: "SIGKILL" })
    })
  )
})

describe("the tree is empty", () => {
  it.live("when nothing but zombies is left, whose parent never asks for them", () =>
    Effect.gen(function* () {
      // The keeper leaves the session, and its parent; the child that it never waits for stays in the group.
      const python = `
import os, time
if os.fork() == 0:
    zombie = os.fork()
    if zombie == 0:
        os._exit(0)
    os.setsid()
    print(os.getpid(), zombie, flush=True)
    os.close(1)
    os.close(2)
    time.sleep(1000)
os._exit(0)`
      const running = yield* spawn(Command.python(python))
      const [keeper, zombie] = numbers(yield* readUntil(running, /\n/)) as [number, number]
      yield* Effect.addFinalizer(() => Effect.sync(() => process.kill(keeper, "SIGKILL")))
      yield* running.exited
      yield* eventually(() => Procfs.read(zombie)?.state === "Z")
      assert.strictEqual(Signals.send(-running.pid, 0), "sent", "for the kernel the group still has a member")
      yield* running.treeEmpty
      yield* running.signal("SIGKILL", "tree")
      assert.strictEqual(Procfs.read(zombie)?.state, "Z")
    })
  )
  it.live("when the leader and the group have exited, without a look at all processes", () =>
    Effect.gen(function* () {
      const running = yield* spawn(Command.make("true"))
      yield* running.exited
      const empty = yield* Effect.forkChild(running.treeEmpty, { startImmediately: true })
      assert.isDefined(empty.pollUnsafe(), "it is known in the same step, so that nothing was read")
    })
  )
  it.live("not before the last descendant ends, a setsid'd one included", () =>
    Effect.gen(function* () {
      const fifo = Path.join(yield* temporary, "fifo")
      const running = yield* spawn(
        Command.shell(`mkfifo '${fifo}'; (setsid sh -c 'echo READY; read x < ${fifo}'; :) & echo $!; exit 0`)
      )
      yield* readUntil(running, /READY/)
      yield* running.exited
      const empty = yield* Effect.forkChild(running.treeEmpty, { startImmediately: true })
      yield* Effect.promise(() => Procfs.snapshot())
      yield* Effect.promise(() => Procfs.snapshot())
      assert.isUndefined(empty.pollUnsafe())
      Fs.writeFileSync(fifo, "go\n")
      yield* Fiber.join(empty)
    })
  )
  it.live("not while it moves on to another pid whenever it is looked at", () =>
    Effect.gen(function* () {
      const done = Path.join(yield* temporary, "done")
      // Each one starts the next and exits; whoever is last says so. A zombie that nobody waits for keeps the group.
      const hop = `if [ "$1" -gt 0 ]; then sh -c "$0" "$0" $(($1 - 1)) & else echo x > '${done}'; fi`
      const python = `
import os, sys, time
if os.fork() == 0:
    if os.fork() == 0:
        os._exit(0)
    os.setsid()
    print(os.getpid(), flush=True)
    os.close(1)
    os.close(2)
    time.sleep(1000)
os.spawnvp(os.P_NOWAIT, "sh", ["sh", "-c", sys.argv[1], sys.argv[1], "400"])
os._exit(0)`
      const running = yield* spawn(Command.make("python3", ["-c", python, hop]))
      const [keeper] = numbers(yield* readUntil(running, /\n/)) as [number]
      yield* Effect.addFinalizer(() => Effect.sync(() => process.kill(keeper, "SIGKILL")))
      yield* running.exited
      yield* running.treeEmpty
      assert.isTrue(Fs.existsSync(done))
    })
  )
  it.live("a process whose first thread has ended is not", () =>
    Effect.gen(function* () {
      const python = `
import ctypes, threading, time
threading.Thread(target=lambda: time.sleep(1000)).start()
print("READY", flush=True)
ctypes.CDLL(None).pthread_exit(None)`
      const running = yield* spawn(Command.python(python))
      yield* readUntil(running, /READY/)
      yield* eventually(() => Procfs.read(running.pid)?.state === "Z")
      assert.isTrue(alive(running.pid))
      yield* running.signal("SIGKILL", "tree")
      assert.deepStrictEqual(yield* running.exited, { _tag: "Signaled", signal: "SIGKILL" })
    })
  )
})

describe("a member that may not be signalled", () => {
  it.live.skipIf(process.getuid?.() !== 0)("is KillFailed, once the others are gone (NEEDS ROOT)", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      Fs.chmodSync(directory, 0o755)
      const setpriv = Path.join(directory, "setpriv")
      Fs.copyFileSync("/usr/bin/setpriv", setpriv)
      Fs.chmodSync(setpriv, 0o4755)
      const fixture = Path.join(import.meta.dirname, "fixtures", "denied.ts")
      const { stdout, stderr } = yield* run(Command.make(process.execPath, [fixture, setpriv], { user: "nobody" }))
      const report: { readonly pids: Array<number>; readonly tag: string } = JSON.parse(
        stdout.trim().split("\n").at(-1) ?? stderr
      )
      yield* Effect.addFinalizer(() => Effect.sync(() => report.pids.forEach((pid) => Signals.send(pid, "SIGKILL"))))
      assert.strictEqual(report.tag, "KillFailed")
      assert.deepStrictEqual(report.pids.map(alive), [false, false, true])
      assert.include(stdout, "could not be ended", "closing the scope warns and goes on")
    })
  )
})

describe("a pid that was given to another process", () => {
  it.live("C43 is not signalled: a remembered member counts only with its start time", () =>
    Effect.gen(function* () {
      const stranger = yield* spawn(Command.make("sleep", ["1000"]))
      const stat = Procfs.read(stranger.pid)!
      // The tree of a command that has gone, which remembers a member that had the stranger's pid before.
      const tree = Tree.make(2 ** 22 + 1)
      tree.leaderExited = true
      tree.outside.set(stat.pid, stat.start - 1)
      const all = (yield* Effect.promise(() => Procfs.snapshot()))!
      assert.deepStrictEqual(Tree.members({ ...tree, outside: new Map(tree.outside) }, all), [])
      Tree.send(tree, [{ ...stat, start: stat.start - 1 }], "SIGKILL")
      assert.strictEqual(yield* Effect.promise(() => killTree(tree, never)), "empty")
      assert.isTrue(alive(stranger.pid))
    })
  )
  it.live("C43 is not signalled as a group either: whoever has the leader's pid after its end is a stranger", () =>
    Effect.gen(function* () {
      const stranger = yield* spawn(Command.make("sleep", ["1000"]))
      const tree = Tree.make(stranger.pid)
      tree.leaderExited = true
      assert.strictEqual(yield* Effect.promise(() => killTree(tree, never)), "empty")
      assert.isTrue(alive(stranger.pid))
    })
  )
})

describe("when the scope closes", () => {
  it.live("C24 the tree is ended, a setsid'd member that ignores TERM included", () =>
    Effect.gen(function* () {
      const { backend, close } = yield* closable
      const pids = yield* Effect.scoped(
        Effect.gen(function* () {
          const running = yield* backend.spawn(
            request(Command.shell("setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1000; done' & wait"))
          )
          const found = [running.pid, ...numbers(yield* readUntil(running, /\n/))]
          // Its parent dies of this, so that only memory leads to the one that ignores it.
          yield* running.signal("SIGTERM", "tree")
          yield* running.exited
          assert.isTrue(alive(found[1]!))
          return found
        })
      )
      assert.deepStrictEqual(pids.filter(alive), [])
      yield* close
    })
  )
  it.live("C15 what is left behind lives on with its pipes closed, until the layer's scope closes", () =>
    Effect.gen(function* () {
      const { backend, close } = yield* closable
      const pid = yield* Effect.scoped(
        Effect.gen(function* () {
          const running = yield* backend.spawn(request(Command.shell("sleep 1000 & echo $!"), { lingering: "leave" }))
          const [left] = numbers(yield* readUntil(running, /\n/)) as [number]
          yield* running.exited
          return left
        })
      )
      assert.isTrue(alive(pid))
      yield* close
      assert.isFalse(alive(pid))
    })
  )
  it.live("C15 a process that has not exited is not left behind", () =>
    Effect.gen(function* () {
      const { backend, close } = yield* closable
      const pids = yield* Effect.scoped(
        Effect.gen(function* () {
          const running = yield* backend.spawn(
            request(Command.shell("sleep 1000 & echo $!; wait"), { lingering: "leave" })
          )
          return [running.pid, ...numbers(yield* readUntil(running, /\n/))]
        })
      )
      assert.deepStrictEqual(pids.filter(alive), [])
      yield* close
    })
  )
})

describe("under TestClock", () => {
  it.effect("a tree ends, and is seen to be empty, although virtual time stands still", () =>
    Effect.gen(function* () {
      const running = yield* spawn(Command.shell("sleep 1000 & echo $!; wait"))
      const pids = [running.pid, ...numbers(yield* readUntil(running, /\n/))]
      const empty = yield* Effect.forkChild(running.treeEmpty, { startImmediately: true })
      yield* running.signal("SIGKILL", "tree")
      yield* Fiber.join(empty)
      assert.deepStrictEqual(pids.filter(alive), [])
    })
  )
})

describe("at scale", () => {
  it.live("100 trees that are ended at once share their looks at all processes", () =>
    Effect.gen(function* () {
      const running = yield* Effect.forEach(Array.from({ length: 100 }), () =>
        spawn(Command.shell("sleep 1000 & echo $!; wait"))
      )
      const pids = yield* Effect.forEach(running, (one) =>
        Effect.map(readUntil(one, /\n/), (text) => [one.pid, ...numbers(text)])
      )
      yield* Effect.forEach(running, (one) => one.signal("SIGKILL", "tree"), { concurrency: "unbounded" })
      assert.deepStrictEqual(pids.flat().filter(alive), [])
    })
  )
})
