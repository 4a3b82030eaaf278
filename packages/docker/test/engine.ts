/** The engine of the tests: whether there is one, its images, and the docker CLI to look at it from outside. */
import { execFile, execFileSync } from "node:child_process"
import * as Path from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import * as Exec from "effect-exec/Exec"
import { Command } from "effect-exec"
import { type Fixtures, ShFixtures } from "@effect-exec/testing"

const hasEngine = (): boolean => {
  try {
    execFileSync("docker", ["version"], { stdio: "ignore", timeout: 20_000 })
    return true
  } catch {
    return false
  }
}

/** Whether the tests can run. Where they have to, their absence is a failure. */
export const available = hasEngine()

if (!available && (process.env["CI"] ?? "") !== "") {
  throw new Error("No Docker engine answers, and CI is set: .ci/run starts one")
}
if (available) {
  execFileSync("sh", [Path.join(import.meta.dirname, "images.sh")], { stdio: ["ignore", "ignore", "inherit"] })
}

export const images = {
  busybox: "effect-exec-test/busybox:1",
  debian: "effect-exec-test/debian:1",
  /** Without a shell in any usual place. */
  static: "effect-exec-test/static:1"
}

/** The docker CLI: what somebody else sees. */
export const docker = async (...args: ReadonlyArray<string>): Promise<string> =>
  (await promisify(execFile)("docker", args, { timeout: 60_000 })).stdout.trim()

/** A container that is not ours, for a scope. */
export const foreign = (image: string, ...options: ReadonlyArray<string>) => {
  // Something that does nothing, wherever the image keeps it.
  const sleep = image === images.static ? ["/opt/fixtures/sleep", "3600"] : ["sleep", "3600"]
  return Effect.acquireRelease(
    Effect.promise(() => docker("run", "-d", "--init", "--network", "none", ...options, image, ...sleep)),
    (id) => Effect.promise(() => docker("rm", "-f", "-v", id))
  )
}

// Every command of the fixtures, changed.
const mapCommands = (fixtures: Fixtures.Fixtures, change: (command: Command.Command) => Command.Command) =>
  Object.fromEntries(
    Object.entries(fixtures).map(([name, value]) => [
      name,
      typeof value === "function"
        ? (...args: ReadonlyArray<never>) =>
            change((value as (...args: ReadonlyArray<never>) => Command.Command)(...args))
        : typeof value === "object"
          ? change(value as Command.Command)
          : value
    ])
  ) as unknown as Fixtures.Fixtures

// The grep of busybox looks at the first variable only: for it the text ends at the NUL behind that.
const survivors = `for f in /proc/[0-9]*/environ; do
  if tr '\\0' '\\n' <"$f" 2>/dev/null | grep -q -F -e "$1"; then p=\${f%/environ}; echo "\${p#/proc/}"; fi
done`

/** The suite's commands for an image with a shell. */
export const shFixtures = (facts: Partial<Fixtures.Facts> = {}): Fixtures.Fixtures => ({
  ...ShFixtures.make(facts),
  survivors: (mark) => Command.make("/bin/sh", ["-c", survivors, "survivors", mark])
})

/** The suite's commands for the image that has its tools where nobody looks for them. */
export const staticFixtures = mapCommands(
  shFixtures({ shell: false, directory: "/opt/fixtures" }),
  ({ argv: [, ...args], env, ...command }) => ({
    ...command,
    argv: ["/opt/fixtures/sh", ...args.map((arg) => arg.replaceAll("/bin/sh", "/opt/fixtures/sh"))],
    env: { PATH: "/opt/fixtures", ...env }
  })
)

/** Runs something with the service of a layer. */
export const use = <A, E, R>(body: (exec: Exec.Exec["Service"]) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(Exec.Exec, body)
