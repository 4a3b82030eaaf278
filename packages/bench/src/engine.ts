/**
 * The engine that the Docker benches need, and containers for those who have no way of their own to make one.
 */
import { execFile, execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

/** The image of all of them. */
export const image = "effect-exec-test/busybox:1"

/** The raw calls are made over the engine's socket. */
export const socketPath = (process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock").replace("unix://", "")

/** Whether an engine answers; makes the image if it is missing. */
export const isThere = (): boolean => {
  try {
    execFileSync("docker", ["version"], { stdio: "ignore", timeout: 20_000 })
  } catch {
    return false
  }
  execFileSync("sh", [fileURLToPath(new URL("../../docker/test/images.sh", import.meta.url)), "small"])
  return true
}

const docker = async (...args: ReadonlyArray<string>): Promise<string> =>
  (await promisify(execFile)("docker", args)).stdout.trim()

/** Starts a container that does nothing; gives its id. It ends by itself, in case nobody removes it. */
export const start = (): Promise<string> =>
  docker("run", "-d", "--rm", "--init", "--network", "none", image, "sleep", "3600")

export const remove = async (container: string): Promise<void> => {
  await docker("rm", "-f", container)
}
