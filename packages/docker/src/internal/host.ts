/**
 * Where the engine is: what was given, else `DOCKER_HOST`, else the current context of the docker CLI, else the
 * default socket. The same order as the docker CLI has, so that both always talk to the same engine.
 */
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

/** How to connect to an engine. */
export interface Host {
  /** As it was given: `unix:///var/run/docker.sock`, `tcp://host:2376`. */
  readonly url: string
  readonly socketPath?: string
  readonly hostname?: string
  readonly port?: number
  readonly tls?: Tls
}

export interface Tls {
  readonly ca: Buffer
  readonly cert: Buffer
  readonly key: Buffer
}

/** What cannot be connected to, and what to do about it. */
export interface Unusable {
  readonly url: string
  readonly hint: string
}

type Env = Readonly<Record<string, string | undefined>>

const fallback = (): string => {
  if (process.platform === "win32") return "npipe:////./pipe/docker_engine"
  const own = Path.join(Os.homedir(), ".docker", "run", "docker.sock")
  return Fs.existsSync("/var/run/docker.sock") || !Fs.existsSync(own) ? "unix:///var/run/docker.sock" : `unix://${own}`
}

const read = (path: string): string | undefined => {
  try {
    return Fs.readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}

const field = (json: string | undefined, ...path: ReadonlyArray<string>): unknown => {
  try {
    return path.reduce((value: unknown, key) => (value as Record<string, unknown>)[key], JSON.parse(json ?? "{}"))
  } catch {
    return undefined
  }
}

// The CLI keeps each context in a folder whose name is the hash of the context's.
const context = (env: Env): { readonly url: string; readonly certificates: string } | undefined => {
  const folder = env["DOCKER_CONFIG"] ?? Path.join(Os.homedir(), ".docker")
  const name = env["DOCKER_CONTEXT"] ?? field(read(Path.join(folder, "config.json")), "currentContext")
  if (typeof name !== "string" || name === "" || name === "default") return undefined
  const hash = createHash("sha256").update(name).digest("hex")
  const meta = read(Path.join(folder, "contexts", "meta", hash, "meta.json"))
  const url = field(meta, "Endpoints", "docker", "Host")
  return typeof url === "string"
    ? { url, certificates: Path.join(folder, "contexts", "tls", hash, "docker") }
    : undefined
}

const certificates = (folder: string): Tls | undefined => {
  try {
    const file = (name: string) => Fs.readFileSync(Path.join(folder, name))
    return { ca: file("ca.pem"), cert: file("cert.pem"), key: file("key.pem") }
  } catch {
    return undefined
  }
}

const parse = (url: string, folder: string | undefined, verify: boolean): Host | Unusable => {
  if (url.startsWith("unix://")) return { url, socketPath: url.slice("unix://".length) }
  if (url.startsWith("npipe://")) return { url, socketPath: url.slice("npipe://".length) }
  const parsed = URL.parse(url.includes("://") ? url : `tcp://${url}`)
  if (parsed === null || !["tcp:", "http:", "https:"].includes(parsed.protocol)) {
    const hint = url.startsWith("ssh://")
      ? "Engines are not reached over SSH; forward the engine's socket (ssh -L ./docker.sock:/var/run/docker.sock) and name it in DOCKER_HOST."
      : "DOCKER_HOST has to be like unix:///var/run/docker.sock or tcp://host:2376."
    return { url, hint }
  }
  const secure = verify || parsed.protocol === "https:"
  const tls = folder === undefined ? undefined : certificates(folder)
  if (secure && tls === undefined) {
    const hint =
      "TLS was asked for (DOCKER_TLS_VERIFY), but DOCKER_CERT_PATH has no readable ca.pem, cert.pem, key.pem."
    return { url, hint }
  }
  return {
    url,
    hostname: parsed.hostname,
    port: Number(parsed.port || (secure ? 2376 : 2375)),
    ...(secure && tls !== undefined ? { tls } : {})
  }
}

/** Where the engine is. Reads the environment and, for contexts and certificates, files. */
export const find = (given: string | undefined, env: Env = process.env): Host | Unusable => {
  const verify = (env["DOCKER_TLS_VERIFY"] ?? "") !== ""
  const folder = env["DOCKER_CERT_PATH"] || Path.join(Os.homedir(), ".docker")
  const named = given ?? (env["DOCKER_HOST"] || undefined)
  if (named !== undefined) return parse(named, folder, verify)
  const current = context(env)
  if (current === undefined) return parse(fallback(), undefined, false)
  return parse(current.url, current.certificates, Fs.existsSync(current.certificates))
}
