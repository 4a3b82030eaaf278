/**
 * Signals and trees, by a shell in the capsule: the API itself can only end one process, or its group.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as ExecError from "effect-exec/ExecError"
import * as Signal from "effect-exec/Signal"
import * as WrennWire from "../../WrennWire.ts"
import { backend } from "./failure.ts"
import { at, type Http } from "./http.ts"

// The members of the tree of `$1` that live: its process group, and the descendants of all of them.
const members = `members() {
  cat /proc/[0-9]*/stat 2>/dev/null | awk -v root="$1" '
    { pid = $1; sub(/^.*\\) /, ""); state[pid] = $1; parent[pid] = $2; if ($3 == root) tree[pid] = 1 }
    END {
      if (root in state) tree[root] = 1
      do {
        grown = 0
        for (pid in parent) if (!(pid in tree) && parent[pid] in tree) { tree[pid] = 1; grown = 1 }
      } while (grown)
      for (pid in tree) if (state[pid] !~ /^[ZX]/) print pid
    }'
}`

const scripts = {
  alive: `${members}
[ -z "$(members "$1")" ]`,
  process: `kill -"$2" "$1" 2>/dev/null || [ ! -e "/proc/$1" ]`,
  // One by one: told of all at once `kill` fails for one that has just gone, whatever became of the others.
  tree: `${members}
denied=
for pid in $(members "$1"); do kill -"$2" "$pid" 2>/dev/null || [ ! -e "/proc/$pid" ] || denied=1; done
[ -z "$denied" ]`,
  // The group at once, then whoever is left, as often as there is somebody.
  end: `${members}
n=0
while pids=$(members "$1"); [ -n "$pids" ]; do
  n=$((n + 1))
  [ $n -le 200 ] || exit 8
  kill -9 -- "-$1" 2>/dev/null
  kill -9 $pids 2>/dev/null
  [ $n -le 5 ] || sleep 0.05
done`
} as const

const seconds = 10

/** Runs one of the scripts. Whether it went well. */
const run = (
  http: Http,
  capsule: string,
  script: keyof typeof scripts,
  pid: number,
  signal = 0
): Effect.Effect<boolean, ExecError.ExecError> =>
  Effect.map(
    http.json(
      {
        method: "POST",
        path: `${at(capsule)}/exec`,
        capsule,
        patience: Duration.seconds(seconds + 5),
        body: {
          cmd: "/bin/sh",
          args: ["-c", scripts[script], "sh", String(pid), String(signal)],
          timeout_sec: seconds
        }
      },
      WrennWire.ExecResponse
    ),
    ({ exit_code }) => exit_code === 0
  )

const failed = (pid: number) =>
  ExecError.make(new ExecError.KillFailed({ id: String(pid), detail: { backend, text: `pid ${pid}` } }))

/** Sends a signal; what has ended is no error. */
export const signal = (
  http: Http,
  capsule: string,
  pid: number,
  signal: Signal.Signal,
  scope: "process" | "tree"
): Effect.Effect<void, ExecError.ExecError> =>
  Effect.flatMap(run(http, capsule, scope, pid, Signal.toNumber(signal)), (isSent) =>
    isSent ? Effect.void : Effect.fail(failed(pid))
  )

/** Ends the tree, and returns when nothing is left of it that can be seen. `isOver` where the process itself has ended. */
export const end = (
  http: Http,
  capsule: string,
  pid: number,
  isOver: boolean
): Effect.Effect<void, ExecError.ExecError> => {
  // The service's own way, for what no script reaches. Not for a pid that may be somebody else's by now. What has ended
  // meanwhile it finds no more, or fails to signal.
  const byPid = Effect.ignore(
    http.ask({ method: "DELETE", path: `${at(capsule)}/processes/${pid}?signal=SIGKILL`, capsule })
  )
  const script = Effect.result(run(http, capsule, "end", pid))
  return Effect.flatMap(isOver ? script : Effect.tap(script, () => byPid), (ended) =>
    Result.isFailure(ended) ? Effect.fail(ended.failure) : ended.success ? Effect.void : Effect.fail(failed(pid))
  )
}

const longestPause = 250

/** Waits until nothing is left of the tree that can be seen. */
export const empty = (http: Http, capsule: string, pid: number): Effect.Effect<void, ExecError.ExecError> => {
  const look = (pause: number): Effect.Effect<void, ExecError.ExecError> =>
    Effect.flatMap(run(http, capsule, "alive", pid), (isEmpty) =>
      isEmpty
        ? Effect.void
        : Effect.andThen(
            Effect.sleep(pause),
            Effect.suspend(() => look(Math.min(pause * 2, longestPause)))
          )
    )
  return look(20)
}
