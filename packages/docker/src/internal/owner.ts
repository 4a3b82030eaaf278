/**
 * Whose a container is, in its labels, and the removal of those whose owner is gone.
 *
 * A container that runs needs no sweep: it ends with the connection of its owner. What is swept is what an owner left
 * that died between creating and starting it, or whose engine was killed.
 */
import { createHash, randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Effect from "effect/Effect"
import type { ContainerSummary, DockerClient } from "../DockerClient.ts"

const label = "effect-exec"

const read = (path: string, from: (path: string) => string): string => {
  try {
    return from(path).trim()
  } catch {
    return ""
  }
}

const file = (path: string) => read(path, (path) => Fs.readFileSync(path, "utf8"))

// Pids mean something only within one boot of one machine, and one pid namespace: two builds in containers of their own
// may share an engine.
const place = (): string => {
  const boot = file("/proc/sys/kernel/random/boot_id")
  return boot === "" ? Os.hostname() : `${boot}/${read("/proc/self/ns/pid", Fs.readlinkSync)}`
}

// A pid may have been given to another process; its start time cannot.
const startOf = (pid: number): string => {
  const stat = file(`/proc/${pid}/stat`)
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? ""
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === "EPERM"
  }
}

const isOver = (pid: number, start: string): boolean => !isAlive(pid) || startOf(pid) !== start

const placeHash = () => createHash("sha256").update(place()).digest("hex").slice(0, 12)

/** This process, as a part of a file's name. */
export const name = (): string => [placeHash(), process.pid, startOf(process.pid)].join("-")

/** Whether a process of this name was here, and has gone. */
export const hasGone = (name: string): boolean => {
  const [where, pid, start] = name.split("-")
  return where === placeHash() && start !== undefined && isOver(Number(pid), start)
}

const session = randomUUID()

/** The labels of a container of this process. */
export const labels = (): Readonly<Record<string, string>> => ({
  [label]: "1",
  [`${label}.session`]: session,
  [`${label}.place`]: place(),
  [`${label}.pid`]: String(process.pid),
  [`${label}.start`]: startOf(process.pid),
  [`${label}.created`]: String(Date.now())
})

/** Long enough for any owner elsewhere to have started what it created. */
const strangerMillis = 3_600_000

/** Whether nobody will ever use this container again, as far as can be seen from here. */
export const isAbandoned = ({ labels, status }: ContainerSummary): boolean => {
  const value = (name: string) => labels[`${label}.${name}`] ?? ""
  const pid = Number(value("pid"))
  if (labels[label] !== "1" || !Number.isInteger(pid) || pid <= 0) return false
  if (value("place") === place()) return isOver(pid, value("start"))
  const age = Date.now() - Number(value("created"))
  return status !== "running" && status !== "paused" && age > strangerMillis
}

const swept = new Set<string>()

/** Removes what was abandoned. Never fails, for nobody waits for it. */
export const sweep = (client: DockerClient): Effect.Effect<void> =>
  Effect.flatMap(client.listContainers(`${label}=1`), (all) =>
    Effect.forEach(all.filter(isAbandoned), ({ id }) => Effect.ignore(client.removeContainer(id)), { discard: true })
  ).pipe(Effect.catch((error) => Effect.logDebug("What others left behind could not be looked for", error)))

/** Sweeps once for each engine. */
export const sweepOnce = (client: DockerClient, sweeping: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (swept.has(client.host)) return Effect.void
    swept.add(client.host)
    return sweeping
  })
