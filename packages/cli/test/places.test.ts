/** `--on`: containers, and what `doctor` says of all places. */
import * as Path from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { LocalExec } from "@effect-exec/local"
import { available, docker, foreign, images } from "../../docker/test/engine.ts"
import { directory, eventually, events, finish, path, program, readUntil, start, texts } from "./support.ts"
import * as SlowRegistry from "./slowRegistry.ts"
import * as Tmux from "./tmux.ts"

const image = `docker:${images.busybox}`

const isGone = (container: string) =>
  Effect.map(
    Effect.promise(() => docker("ps", "-aq", "--no-trunc", "--filter", `id=${container}`)),
    (found) => found === ""
  )

describe.runIf(available)("containers", () => {
  layer(LocalExec.layer, { excludeTestServices: true })((it) => {
    it.effect("docker:IMAGE runs a command in a container of its own, which is gone when it ended", () =>
      Effect.gen(function* () {
        const child = yield* start([
          "stream",
          "--on",
          image,
          "--stdin",
          "-",
          "--",
          "sh",
          "-c",
          "hostname; id -u; read line; exit 7"
        ])
        const hostname = (yield* readUntil(child, "1000\n")).split("\n")[0]!
        const container = yield* Effect.promise(() => docker("ps", "-q", "--no-trunc", "--filter", `id=${hostname}`))
        assert.match(container, /^[0-9a-f]{64}$/)
        yield* child.write("go\n")
        assert.strictEqual((yield* finish(child)).exitCode, 7)
        assert.isTrue(yield* isGone(container))
      })
    )

    it.effect("its container is gone, too, when this program is told to end, or is killed", () =>
      Effect.gen(function* () {
        for (const signal of ["SIGINT", "SIGKILL"]) {
          const child = yield* start(["stream", "--on", image, "--", "sh", "-c", "hostname; echo READY; sleep 300"])
          const hostname = (yield* readUntil(child, "READY")).split("\n")[0]!
          yield* child.signal(signal)
          yield* finish(child)
          yield* eventually(`the container ${hostname} is gone`, isGone(hostname))
        }
      })
    )

    it.effect("container:NAME runs a command in a container that runs, and leaves it there", () =>
      Effect.gen(function* () {
        const container = yield* foreign(images.busybox)
        const on = ["run", "--on", `container:${container}`]
        assert.strictEqual((yield* texts([...on, "--user", "nobody", "id", "-un"])).stdout, "nobody\n")
        assert.strictEqual((yield* texts([...on, "--json", "false"])).exitCode, 1)
        assert.strictEqual((yield* texts([...on, "no-such-program"])).exitCode, 127)
        assert.isFalse(yield* isGone(container))
      })
    )

    it.effect("a container or an image that is not there, and an engine that is not: 125, and what to do", () =>
      Effect.gen(function* () {
        const none = yield* texts(["run", "--on", "container:no-such-container", "true"])
        assert.strictEqual(none.exitCode, 125)
        assert.match(none.stderr, /There is no sandbox no-such-container/)
        const engine = { env: { DOCKER_HOST: "unix:///nonexistent/docker.sock" } }
        const unreachable = yield* texts(["run", "--on", image, "--json", "true"], engine)
        assert.strictEqual(unreachable.exitCode, 125)
        const [error] = events(unreachable.stdout)
        assert.deepInclude(error, { type: "error", reason: "BackendUnavailable", retryable: true })
        assert.match(String(error?.type === "error" && error.message), /start it \(dockerd, Docker Desktop\)/)
      })
    )

    it.effect("doctor tries a place in earnest", () =>
      Effect.gen(function* () {
        const { exitCode, stdout } = yield* texts(["doctor", "--on", image])
        assert.strictEqual(exitCode, 0)
        assert.match(
          stdout,
          /✔ docker:effect-exec-test\/busybox:1 commands can run there \(trees exact, terminals real\)/
        )
      })
    )
  })

  describe.runIf(Tmux.available)("in a terminal", () => {
    it.live("a shell in a container", () =>
      Effect.gen(function* () {
        const terminal = yield* Tmux.open({ PATH: path, PROGRAM: program, XDG_CONFIG_HOME: "/nonexistent" })
        yield* terminal.line(`$PROGRAM run --on ${image} --tty -- sh; echo code $?`)
        yield* terminal.shows(/work \$$/m)
        yield* terminal.resize(90, 20)
        yield* terminal.line("stty size; echo $TERM; exit 4")
        yield* terminal.shows(/^20 90\ntmux-256color\ncode 4$/m)
      })
    )

    it.live("what is waited for is shown while it is, with bytes and seconds; Ctrl-C ends the waiting", () =>
      Effect.gen(function* () {
        const slow = yield* SlowRegistry.image
        const terminal = yield* Tmux.open({ PATH: path, PROGRAM: program, XDG_CONFIG_HOME: "/nonexistent" })
        yield* terminal.line(`$PROGRAM run --on docker:${slow} true`)
        yield* terminal.shows(/^. pulling 127[^ ]+: [\d.]+ [KM]iB of 4 MiB · [1-9]\d* s$/m)
        yield* terminal.keys("C-c")
        yield* terminal.shows(/^\$$/m)
        yield* terminal.line("echo code $?")
        const after = yield* terminal.shows(/^code 130$/m)
        assert.notInclude(after, "pulling")
      })
    )
  })
})

layer(LocalExec.layer, { excludeTestServices: true })("effect-exec doctor", (it) => {
  it.effect("says what works, what does not, and how to mend it; and ends with 1 if anything does not", () =>
    Effect.gen(function* () {
      const env = { DOCKER_HOST: `unix://${Path.join(yield* directory, "docker.sock")}` }
      const people = yield* texts(["doctor"], { env })
      assert.strictEqual(people.exitCode, 1)
      assert.match(
        people.stdout,
        /^✔ local +commands on this machine \(linux \w+\), by the agent\n✘ docker +The docker/
      )
      assert.match(people.stdout, /start it \(dockerd, Docker Desktop\), or say in DOCKER_HOST where it is/)
      const programs = yield* texts(["doctor", "--json"], { env })
      assert.deepStrictEqual(
        events(programs.stdout).map((event) => event.type === "check" && [event.place, event.works]),
        [
          ["local", true],
          ["docker", false]
        ]
      )
      assert.strictEqual((yield* texts(["doctor", "--on", "local"], { env })).exitCode, 0)
    })
  )

  it.effect("refuses engines that cannot be reached by their name, and says how they can be", () =>
    Effect.gen(function* () {
      const { stdout } = yield* texts(["doctor"], { env: { DOCKER_HOST: "ssh://somewhere" } })
      assert.match(stdout, /✘ docker .*forward the engine's socket/)
    })
  )
})
