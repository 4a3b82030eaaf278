/** The real engine behind a door that speaks TLS and wants to know its clients. */
import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Tls from "node:tls"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Command, Exec, type ExecError } from "effect-exec"
import * as Container from "../src/Container.ts"
import * as DockerClient from "../src/DockerClient.ts"
import { available, foreign, images } from "./engine.ts"

let folder = ""
const at = (...path: ReadonlyArray<string>) => Path.join(folder, ...path)
const openssl = (...args: ReadonlyArray<string>) => execFileSync("openssl", args, { stdio: "ignore" })

const hasOpenssl = (): boolean => {
  try {
    openssl("version")
    return true
  } catch {
    return false
  }
}

/** An authority, and what it vouches for: a server by the name `localhost`, and a client. */
const authority = (name: string): void => {
  Fs.mkdirSync(at(name))
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
  const ca = at(name, "ca.pem")
  const caKey = at(name, "ca-key.pem")
  openssl("req", "-x509", ...key, "-subj", `/CN=${name}`, "-keyout", caKey, "-out", ca)
  for (const [who, file] of [
    ["localhost", "server"],
    ["client", "client"]
  ] as const) {
    const extensions = ["-addext", `subjectAltName=DNS:${who}`, "-addext", "basicConstraints=critical,CA:FALSE"]
    const out = ["-keyout", at(name, `${file}-key.pem`), "-out", at(name, `${file}.pem`)]
    openssl("req", "-x509", ...key, "-subj", `/CN=${who}`, ...extensions, "-CA", ca, "-CAkey", caKey, ...out)
  }
  // As the docker CLI names them.
  Fs.renameSync(at(name, "client.pem"), at(name, "cert.pem"))
  Fs.renameSync(at(name, "client-key.pem"), at(name, "key.pem"))
}

const read = (...path: ReadonlyArray<string>) => Fs.readFileSync(at(...path))

/** The engine's socket, behind TLS. */
const door = (socket: string): Promise<Tls.Server> =>
  new Promise((resolve) => {
    const server = Tls.createServer(
      {
        ca: read("ours", "ca.pem"),
        cert: read("ours", "server.pem"),
        key: read("ours", "server-key.pem"),
        requestCert: true,
        rejectUnauthorized: true,
        allowHalfOpen: true
      },
      (client) => {
        const engine = Net.connect({ path: socket, allowHalfOpen: true })
        client.pipe(engine).pipe(client)
        client.on("error", () => engine.destroy())
        engine.on("error", () => client.destroy())
      }
    )
    server.listen(0, "127.0.0.1", () => resolve(server))
  })

/** A client as the environment makes it. */
const clientOf = (host: string, certificates: string, verify = "1"): DockerClient.DockerClient => {
  const given = { DOCKER_HOST: host, DOCKER_TLS_VERIFY: verify, DOCKER_CERT_PATH: at(certificates) }
  const before = Object.fromEntries(Object.keys(given).map((name) => [name, process.env[name]]))
  Object.assign(process.env, given)
  try {
    return DockerClient.make({ deadlineMillis: 20_000 })
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}

// A door of our own can only be put before an engine's socket.
const engine = DockerClient.make({}).host
const socket = engine.startsWith("unix://") ? engine.slice("unix://".length) : undefined

describe.runIf(available && socket !== undefined && hasOpenssl())("an engine over TLS", () => {
  let server: Tls.Server
  let port = 0
  const local = () => `tcp://localhost:${port}`
  beforeAll(async () => {
    folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-exec-tls-"))
    authority("ours")
    authority("theirs")
    // One that expects another authority's engine, and one that comes with another authority's certificate.
    Fs.cpSync(at("ours"), at("distrusting"), { recursive: true })
    Fs.copyFileSync(at("theirs", "ca.pem"), at("distrusting", "ca.pem"))
    Fs.cpSync(at("theirs"), at("stranger"), { recursive: true })
    Fs.copyFileSync(at("ours", "ca.pem"), at("stranger", "ca.pem"))
    server = await door(socket!)
    port = (server.address() as Net.AddressInfo).port
  })
  afterAll(() => {
    server.close()
    Fs.rmSync(folder, { recursive: true })
  })

  it.live("runs commands as over the engine's own socket, in our own containers and somebody's", () =>
    Effect.gen(function* () {
      const container = yield* foreign(images.busybox)
      const bytes = new Uint8Array(randomBytes(3_000_001))
      const both = [Container.make({ image: images.busybox }), Container.get({ container })]
      for (const made of both) {
        const { backend } = yield* made
        const exec = yield* Exec.make(backend)
        const { stdoutBytes } = yield* exec.run(Command.make("cat"), { stdin: bytes })
        assert.isTrue(Buffer.from(bytes).equals(stdoutBytes))
        assert.strictEqual((yield* exec.run(Command.shell("exit 7"))).exitCode, 7)
      }
    }).pipe(Effect.scoped, (test) =>
      Effect.suspend(() => Effect.provideService(test, DockerClient.DockerClient, clientOf(local(), "ours")))
    )
  )

  const refused = (what: string, make: () => DockerClient.DockerClient, code: RegExp, hint: RegExp) =>
    it.live(`${what} is BackendUnavailable, and says what to mend`, () =>
      Effect.gen(function* () {
        const { reason } = yield* Effect.flip(make().version)
        assert.strictEqual(reason._tag, "BackendUnavailable")
        assert.match((reason as ExecError.BackendUnavailable).detail?.code ?? "", code)
        assert.match((reason as ExecError.BackendUnavailable).hint, hint)
      })
    )
  refused("a client of another authority", () => clientOf(local(), "stranger"), /^ERR_SSL_|ECONNRESET/, /refuses|runs/)
  refused("an engine of another authority", () => clientOf(local(), "distrusting"), /CERT|ISSUER|SIGNATURE/, /ca\.pem/)
  refused("an engine of another name", () => clientOf(`tcp://127.0.0.1:${port}`, "ours"), /ALTNAME/, /this name/)
  refused("no TLS to an engine that wants it", () => clientOf(local(), "none", ""), /ECONNRESET|HPE/, /DOCKER_HOST/)
})
