/** The command `effect-exec`, from the shell's side: the whole life of its process, start-up included. */
import { execFileSync, spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Bench, Bound, Row } from "./bench.ts"
import * as Engine from "./engine.ts"

const cli = fileURLToPath(new URL("../../cli", import.meta.url))
const program = `${process.execPath} ${cli}/dist/bin.js`

/** Milliseconds that a shell's line takes. */
const time = (line: string): number => {
  const start = performance.now()
  const { status } = spawnSync("sh", ["-c", `exec ${line}`], { stdio: "ignore" })
  if (status !== 0) throw new Error(`exit code ${status}: ${line}`)
  return performance.now() - start
}

interface Contest {
  readonly path: string
  readonly unit: string
  readonly base: readonly [subject: string, line: string]
  readonly ours: string
  readonly peers?: ReadonlyArray<readonly [subject: string, line: string]>
  readonly target?: Bound
  /** From milliseconds to what is shown. */
  readonly figure?: (millis: number) => number
}

const measure = (
  { base, figure = (millis) => millis, ours, path, peers = [], target, unit }: Contest,
  rounds: number
): Row => {
  const subjects = [base, ["effect-exec", ours] as const, ...peers]
  const series = subjects.map(([subject]) => ({ subject, values: [] as Array<number> }))
  for (let round = -1; round < rounds; round++) {
    subjects.forEach(([, line], index) => {
      const millis = time(line)
      if (round >= 0) series[index]!.values.push(figure(millis))
    })
  }
  const [first, second, ...others] = series
  return {
    path,
    unit,
    base: first!,
    ours: [second!],
    peers: others,
    ...(target === undefined ? {} : { targets: { "effect-exec": target } })
  }
}

export const bench: Bench = {
  name: "command",
  run: async ({ rounds, scale }, report) => {
    execFileSync(process.execPath, [`${cli}/scripts/build.ts`])
    const node = ["node -e 0", `${process.execPath} -e 0`] as const
    const contest = (contest: Contest, times = rounds) => report(measure(contest, times))
    // Short, and scattered by whatever else the machine does: more of them.
    const many = rounds * 2
    contest(
      { path: "command: --help", unit: "ms", base: node, ours: `${program} --help`, target: { atMost: 1.5 } },
      many
    )
    contest({ path: "command: run true, here", unit: "ms", base: node, ours: `${program} run true` }, many)
    const size = Math.ceil(1024 ** 3 * scale)
    const source = `head -c ${size} /dev/zero`
    contest({
      path: "command: output through a pipe",
      unit: "MB/s",
      base: ["| cat | cat", `sh -c '${source} | cat | cat >/dev/null'`],
      ours: `sh -c '${program} stream -- ${source} | cat >/dev/null'`,
      figure: (millis) => size / 1000 / millis
    })
    if (!Engine.isThere()) return
    const container = await Engine.start()
    try {
      const here = { base: ["docker CLI", `docker exec ${container} true`] as const }
      const on = `${program} run --on container:${container} true`
      contest({ path: "command: run true, in a container that runs", unit: "ms", ...here, ours: on })
      contest({
        path: "command: run true, in a new container",
        unit: "ms",
        base: ["docker CLI", `docker run --rm --network none ${Engine.image} true`],
        ours: `${program} run --on docker:${Engine.image} true`
      })
    } finally {
      await Engine.remove(container)
    }
  }
}
