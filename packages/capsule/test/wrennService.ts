/**
 * A service that speaks Wrenn's API as the real one does, in either of its generations: what it answers, what it drops, and
 * how its sockets end. Its capsules are this machine.
 */
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type RawData, type WebSocket, WebSocketServer } from "ws"

/**
 * `0.1` answers when it is done, drops the environment and the directory of what is waited for, and signals one process;
 * `0.2` only begins, says more in its errors, and signals the group.
 */
export type Generation = "0.1" | "0.2"

export const generations: ReadonlyArray<Generation> = ["0.1", "0.2"]

export const key = "wrn_0123456789abcdef0123456789abcdef"

/** What the service does in the place of what it would: an answer, frames and an end, nothing at all, or the end of the wire. */
export type Fault =
  | { readonly status: number; readonly body?: unknown }
  | { readonly frames: ReadonlyArray<unknown>; readonly end: "close" | "cut" | "stay" }
  | "cut"
  | "hang"

/** What it was asked. */
export interface Asked {
  /** For example `POST /exec`, `WS /exec/stream`, `DELETE /processes/12`: without the capsule. */
  readonly route: string
  readonly query: string
  readonly body: unknown
}

type Status = "starting" | "running" | "pausing" | "paused" | "resuming" | "stopped"

// Whatever was said.
type Json = ReturnType<typeof JSON.parse>

type Message = Readonly<Record<string, unknown>>

interface Process {
  readonly pid: number
  readonly tag: string | undefined
  readonly cmd: string
  readonly args: ReadonlyArray<string>
  readonly signal: (signal: NodeJS.Signals) => void
  readonly listeners: Set<(message: Message | undefined) => void>
}

// In the words of each generation.
const refusals = {
  key: {
    "0.1": [401, "unauthorized", "X-API-Key or Authorization: Bearer <token> required"],
    "0.2": [401, "auth_invalid_api_key", "Invalid API key."]
  },
  capsule: {
    "0.1": [404, "not_found", "sandbox not found"],
    "0.2": [404, "sandbox_not_found", "Sandbox not found."]
  },
  template: {
    "0.1": [404, "not_found", "template not found"],
    "0.2": [404, "template_not_found", "Template not found."]
  },
  process: {
    "0.1": [404, "not_found", "process not found"],
    "0.2": [404, "not_found", "process not found"]
  },
  signal: {
    "0.1": [502, "agent_error", "internal: kill process: ESRCH: No such process"],
    "0.2": [500, "internal_error", "Something went wrong on our end."]
  },
  directory: {
    "0.1": [502, "agent_error", "internal: start process: invalid_argument: cwd '/no/such' does not exist"],
    "0.2": [400, "invalid_request", "cwd '/no/such' does not exist"]
  },
  file: {
    "0.1": [502, "agent_error", "internal: read file: envd returned 404: file not found"],
    "0.2": [404, "not_found", "file not found"]
  },
  exists: {
    "0.1": [409, "conflict", "already_exists: directory already exists"],
    "0.2": [409, "already_exists", "directory already exists"]
  }
} as const

/** A failure as a generation tells of it. */
export const envelope = (generation: Generation, code: string, message: string, details?: object) => ({
  error:
    generation === "0.1"
      ? { code, message }
      : { code, message, request_id: "req_0123456789abcdef", retryable: false, ...(details && { details }) }
})

class Refusal {
  readonly what: keyof typeof refusals
  constructor(what: keyof typeof refusals) {
    this.what = what
  }
}

export class Service {
  readonly generation: Generation
  readonly home = Fs.mkdtempSync(Path.join(Os.tmpdir(), "wrenn-"))
  readonly asked: Array<Asked> = []
  readonly statuses = new Map<string, Status>()
  readonly processes = new Map<number, Process>()
  /** One that runs. */
  readonly capsule = newId()

  private readonly faults = new Map<string, Array<Fault>>()
  private readonly server = Http.createServer()
  private readonly sockets = new WebSocketServer({ noServer: true })
  private readonly connections = new Set<Socket>()
  // By which everything that it has started is known.
  private readonly mark = randomBytes(8).toString("hex")

  constructor(generation: Generation) {
    this.generation = generation
    this.statuses.set(this.capsule, "running")
    this.server.on("connection", (socket) => {
      this.connections.add(socket)
      socket.on("error", () => {})
      socket.on("close", () => this.connections.delete(socket))
    })
    this.server.on("request", (request, response) => {
      // What goes wrong here is seen by who asked.
      this.answer(request, response).catch(() => response.destroy())
    })
    this.server.on("upgrade", (request, socket, head) => this.upgrade(request, socket as Socket, head))
  }

  get listening(): Promise<void> {
    return new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve))
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/api`
  }

  /** Once, the next time that this is asked. */
  instead(route: string, fault: Fault): void {
    this.faults.set(route, [...(this.faults.get(route) ?? []), fault])
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.connections) socket.destroy()
  }

  bodies(route: string): ReadonlyArray<unknown> {
    return this.asked.filter((asked) => asked.route === route).map(({ body }) => body)
  }

  close(): void {
    this.server.close()
    this.cut()
    for (const pid of Fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        if (Fs.readFileSync(`/proc/${pid}/environ`, "latin1").includes(this.mark)) process.kill(Number(pid), "SIGKILL")
      } catch {
        // It is somebody else's, or gone.
      }
    }
    Fs.rmSync(this.home, { recursive: true, force: true })
  }

  private get isFirst(): boolean {
    return this.generation === "0.1"
  }

  private fault(route: string): Fault | undefined {
    return this.faults.get(route.replace(/\/\d+/, "/PID"))?.shift()
  }

  private async answer(request: Http.IncomingMessage, response: Http.ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", "http://localhost")
    const [, id = "", path = ""] = /^\/api\/v1\/capsules(?:\/([^/]+))?(\/.*)?$/.exec(url.pathname) ?? []
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const bytes = Buffer.concat(chunks)
    const type = request.headers["content-type"] ?? ""
    const body =
      bytes.length === 0
        ? undefined
        : type.startsWith("application/json")
          ? JSON.parse(bytes.toString())
          : await new Response(bytes, { headers: { "content-type": type } }).formData()
    const route = `${request.method} ${decodeURIComponent(path)}`
    this.asked.push({ route, query: url.search, body })
    const say = (status: number, body?: unknown) => {
      if (response.destroyed) return
      response.writeHead(status, body === undefined ? {} : { "content-type": "application/json" })
      response.end(body === undefined ? undefined : JSON.stringify(body))
    }
    const fault = this.fault(route)
    if (fault === "cut") return void request.socket.destroy()
    if (fault === "hang") return
    if (fault !== undefined && "status" in fault) return say(fault.status, fault.body)
    try {
      if (request.headers["x-api-key"] !== key) throw new Refusal("key")
      const answered = await this.route(route, id, url.searchParams, body)
      if (answered[1] instanceof Uint8Array) return void response.writeHead(200).end(answered[1])
      say(...answered)
    } catch (error) {
      if (Array.isArray(error)) return say(error[0] as number, error[1])
      if (!(error instanceof Refusal)) throw error
      const [status, code, message] = refusals[error.what][this.generation]
      say(status, envelope(this.generation, code, message))
    }
  }

  private async route(
    route: string,
    id: string,
    query: URLSearchParams,
    body: Json
  ): Promise<readonly [status: number, body?: unknown]> {
    const begun = this.isFirst ? 200 : 202
    if (id === "") {
      if (route === "GET ") return [200, Array.from(this.statuses.keys(), (id) => this.tell(id))]
      if (body.template !== undefined && body.template !== "minimal") throw new Refusal("template")
      const made = newId()
      this.statuses.set(made, this.isFirst ? "running" : "starting")
      return [this.isFirst ? 201 : 202, this.tell(made)]
    }
    const status = this.statuses.get(id)
    if (status === undefined) throw new Refusal("capsule")
    switch (route) {
      case "GET ": {
        const told = this.tell(id)
        // What was begun is done the next time that one looks.
        const next = { starting: "running", pausing: "paused", resuming: "running" } as const
        this.statuses.set(id, next[status as keyof typeof next] ?? status)
        return [200, told]
      }
      case "DELETE ":
        this.statuses.set(id, "stopped")
        return [this.isFirst ? 204 : 202]
      case "POST /resume":
        if (status !== "paused") throw this.wrongState("sandbox_not_paused", "sandbox is not paused", status)
        this.statuses.set(id, this.isFirst ? "running" : "resuming")
        return [begun, this.tell(id)]
    }
    if (route === "POST /pause" && status === "paused" && !this.isFirst) return [begun, this.tell(id)]
    if (status !== "running") throw this.wrongState("sandbox_not_running", "sandbox is not running", status)
    switch (route) {
      case "POST /pause":
        this.statuses.set(id, this.isFirst ? "paused" : "pausing")
        return [begun, this.tell(id)]
      case "POST /ping":
        return [204]
      case "POST /exec":
        return this.exec(id, body)
      case "GET /processes":
        return [
          200,
          {
            processes: Array.from(this.processes.values(), ({ args, cmd, pid, tag }) => ({
              pid,
              ...(tag && { tag }),
              cmd,
              ...(args.length > 0 && { args })
            }))
          }
        ]
    }
    if (route.startsWith("POST /files/")) return this.file(route.slice(12), body)
    const selector = /^DELETE \/processes\/(.+)$/.exec(route)?.[1]
    const found = selector === undefined ? undefined : this.find(selector)
    if (found === undefined) throw new Refusal("process")
    // Whatever else was asked for is KILL.
    try {
      found.signal(query.get("signal") === "SIGTERM" ? "SIGTERM" : "SIGKILL")
    } catch {
      // It has ended, and was not reaped.
      throw new Refusal("signal")
    }
    return [204]
  }

  private tell(id: string): object {
    const at = new Date().toISOString()
    const facts = { template: "minimal", vcpus: 1, memory_mb: 512, timeout_sec: 0, created_at: at, last_updated: at }
    return { id, status: this.statuses.get(id), ...facts }
  }

  private wrongState(code: string, message: string, status: Status): readonly [number, unknown] {
    return [
      409,
      this.isFirst
        ? envelope("0.1", "invalid_state", `${message} (status: ${status})`)
        : envelope("0.2", code, `${message}.`, { status })
    ]
  }

  private find(selector: string): Process | undefined {
    if (/^\d+$/.test(selector)) return this.processes.get(Number(selector))
    return [...this.processes.values()].find(({ tag }) => tag === selector)
  }

  private async exec(id: string, body: Json): Promise<readonly [number, unknown]> {
    const { background = false, cmd, cwd, envs, timeout_sec, ...rest } = body
    if (!background) {
      // The first generation drops them.
      const process = this.start(cmd, rest.args ?? [], this.isFirst ? {} : { envs, cwd })
      return this.wait(id, process, (timeout_sec || 30) * 1000)
    }
    const { pid, tag } = this.start(cmd, rest.args ?? [], {
      envs,
      cwd,
      tag: rest.tag || `proc-${randomBytes(4).toString("hex")}`
    })
    return [202, { sandbox_id: id, cmd, pid, tag }]
  }

  private wait(id: string, process: Process, millis: number): Promise<readonly [number, unknown]> {
    const texts = { stdout: "", stderr: "" }
    const started = Date.now()
    return new Promise((resolve) => {
      const late = setTimeout(() => {
        const message = "internal: exec: stream error: deadline_exceeded: context deadline exceeded"
        resolve([502, envelope(this.generation, "agent_error", message)])
      }, millis)
      process.listeners.add((message) => {
        if (message === undefined) return
        const { type } = message
        if (type === "stdout" || type === "stderr") texts[type] += message["data"]
        if (type !== "exit") return
        clearTimeout(late)
        const { exit_code } = message
        const duration_ms = Date.now() - started
        resolve([200, { sandbox_id: id, cmd: process.cmd, ...texts, exit_code, duration_ms, encoding: "utf-8" }])
      })
    })
  }

  private start(
    cmd: string,
    args: ReadonlyArray<string>,
    { cwd = this.home, envs = {}, tag }: { envs?: Record<string, string>; cwd?: string; tag?: string } = {}
  ): Process {
    if (!Fs.existsSync(cwd)) throw new Refusal("directory")
    const { PATH } = process.env
    const child = spawn("/bin/sh", ["-c", 'exec "$@"', "--", cmd, ...args], {
      cwd,
      env: { PATH, HOME: this.home, WRENN_SANDBOX: this.mark, ...envs },
      stdio: ["ignore", "pipe", "pipe"],
      detached: !this.isFirst
    })
    const pid = child.pid!
    const started: Process = {
      pid,
      tag,
      cmd,
      args,
      signal: (signal) => process.kill(this.isFirst ? pid : -pid, signal),
      listeners: new Set()
    }
    const tell = (message: Message | undefined) => started.listeners.forEach((listener) => listener(message))
    // Text it is, whatever it was; and whoever comes later has missed it.
    child.stdout.on("data", (bytes: Buffer) => tell({ type: "stdout", data: bytes.toString() }))
    child.stderr.on("data", (bytes: Buffer) => tell({ type: "stderr", data: bytes.toString() }))
    // When nobody holds the pipes any more.
    child.on("close", (code) => {
      this.processes.delete(pid)
      tell({ type: "exit", exit_code: code ?? -1 })
      tell(undefined)
    })
    this.processes.set(pid, started)
    return started
  }

  private upgrade(request: Http.IncomingMessage, socket: Socket, head: Buffer): void {
    const [, id = "", path = ""] = /^\/api\/v1\/capsules\/([^/]+)(\/.*)$/.exec(request.url ?? "") ?? []
    const fault = this.fault(`WS ${path}`)
    if (fault === "cut") return void socket.destroy()
    const isKnown = request.headers["x-api-key"] === key
    const status = typeof fault === "object" && "status" in fault ? fault.status : 401
    if (typeof fault === "object" && "status" in fault ? true : !isKnown && !this.isFirst) {
      return void socket.end(`HTTP/1.1 ${status} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
    }
    this.sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on("error", () => {})
      const asked: { route: string; query: string; body: unknown } = { route: `WS ${path}`, query: "", body: undefined }
      this.asked.push(asked)
      if (typeof fault === "object" && "frames" in fault) return this.play(webSocket, fault)
      if (fault === "hang") return
      this.converse(webSocket, id, path, isKnown, (body) => (asked.body = body))
    })
  }

  private play(socket: WebSocket, { frames, end }: Extract<Fault, { readonly frames: unknown }>): void {
    // To who has something to say first.
    const begin = (data?: RawData) => {
      const mark = /"([^"]+)","","","/.exec(String(data))?.[1] ?? ""
      for (const frame of frames) {
        if (frame instanceof Uint8Array) socket.send(frame)
        else
          socket.send(typeof frame === "string" ? frame : JSON.stringify(frame).replaceAll("MARK", `\\u0001${mark} `))
      }
      // After what was sent.
      if (end === "close") socket.close(1000)
      if (end === "cut") socket.ping("", false, () => socket.terminate())
    }
    if (this.asked.at(-1)?.route === "WS /exec/stream") socket.once("message", begin)
    else begin()
  }

  private converse(
    socket: WebSocket,
    id: string,
    path: string,
    isKnown: boolean,
    heard: (body: unknown) => void
  ): void {
    const say = (message: Message, done?: () => void) => socket.send(JSON.stringify(message), done)
    // There is never a close frame.
    const last = (data: string) => say({ type: "error", data }, () => socket.terminate())
    const follow = (process: Process) => {
      say({ type: "start", pid: process.pid })
      const listener = (message: Message | undefined) => {
        if (message !== undefined) return say(message)
        socket.ping("", false, () => socket.terminate())
      }
      process.listeners.add(listener)
      // Whoever goes, goes: the process stays.
      socket.on("close", () => process.listeners.delete(listener))
    }
    if (!isKnown) return void socket.once("message", () => last("authentication failed"))
    const status = this.statuses.get(id)
    if (status === undefined) return last("sandbox not found")
    if (status !== "running") return last(`sandbox is not running (status: ${status})`)
    const selector = /^\/processes\/([^/]+)\/stream$/.exec(path)?.[1]
    if (selector !== undefined) {
      const found = this.find(decodeURIComponent(selector))
      return found === undefined ? socket.terminate() : follow(found)
    }
    socket.once("message", (data) => {
      const { args = [], cmd, type, ...rest } = JSON.parse(String(data))
      heard({ args, cmd, type, ...rest })
      if (type !== "start" || cmd === "") return last("first message must be type 'start' with a 'cmd' field")
      follow(this.start(cmd, args))
    })
  }

  private async file(route: string, body: Json): Promise<readonly [number, unknown?]> {
    const isForm = body instanceof FormData
    const path = Path.resolve(this.home, String(isForm ? body.get("path") : body.path))
    const entry = (path: string) => {
      const stat = Fs.lstatSync(path)
      const type = stat.isDirectory() ? "directory" : stat.isSymbolicLink() ? "symlink" : "file"
      return { name: Path.basename(path), path, type, size: stat.size, mode: stat.mode & 0o7777 }
    }
    switch (route) {
      case "write":
      case "stream/write":
        Fs.mkdirSync(Path.dirname(path), { recursive: true })
        Fs.writeFileSync(path, Buffer.from(await (body.get("file") as File).arrayBuffer()))
        return [204]
      case "mkdir":
        if (Fs.existsSync(path)) throw new Refusal("exists")
        Fs.mkdirSync(path, { recursive: true })
        return [200, { entry: entry(path) }]
    }
    if (!Fs.existsSync(path)) throw new Refusal("file")
    switch (route) {
      case "read":
      case "stream/read":
        return [200, Fs.readFileSync(path)]
      case "list": {
        const names = Fs.readdirSync(path, { recursive: true }).map(String)
        const near = names.filter((name) => name.split("/").length <= (body.depth || 1))
        // What is empty is `null` for it.
        return [200, { entries: near.length === 0 ? null : near.map((name) => entry(Path.join(path, name))) }]
      }
      default:
        Fs.rmSync(path, { recursive: true })
        return [204]
    }
  }
}

const newId = (): string => `cl-${randomBytes(16).toString("hex").slice(0, 25)}`

/** A service that listens until the scope closes; then nothing is left of what it has started. */
export const make = (generation: Generation): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const service = new Service(generation)
      await service.listening
      return service
    }),
    (service) => Effect.sync(() => service.close())
  )
