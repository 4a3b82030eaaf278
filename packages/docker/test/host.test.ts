/** Where the engine is looked for, and which version is spoken with it. */
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { negotiate } from "../src/internal/engine.ts"
import { find } from "../src/internal/host.ts"

const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-exec-host-"))
afterAll(() => Fs.rmSync(folder, { recursive: true }))

const write = (path: string, text: string) => {
  Fs.mkdirSync(Path.dirname(Path.join(folder, path)), { recursive: true })
  Fs.writeFileSync(Path.join(folder, path), text)
}

describe("where the engine is", () => {
  it("what is given comes before DOCKER_HOST, and that before the CLI's context", () => {
    const hash = createHash("sha256").update("far").digest("hex")
    write("config.json", JSON.stringify({ currentContext: "far" }))
    write(`contexts/meta/${hash}/meta.json`, JSON.stringify({ Endpoints: { docker: { Host: "tcp://far:1" } } }))
    const env = { DOCKER_CONFIG: folder, DOCKER_HOST: "unix:///a.sock" }
    assert.deepInclude(find("tcp://given:5", env), { hostname: "given", port: 5 })
    assert.deepInclude(find(undefined, env), { socketPath: "/a.sock" })
    assert.deepInclude(find(undefined, { DOCKER_CONFIG: folder }), { hostname: "far", port: 1 })
    assert.property(find(undefined, { DOCKER_CONFIG: folder, DOCKER_CONTEXT: "default" }), "socketPath")
  })

  it("TLS is asked for by DOCKER_TLS_VERIFY, with the certificates of DOCKER_CERT_PATH", () => {
    const env = { DOCKER_HOST: "tcp://far", DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: Path.join(folder, "certs") }
    assert.match((find(undefined, env) as { hint: string }).hint, /DOCKER_CERT_PATH/)
    for (const name of ["ca", "cert", "key"]) write(`certs/${name}.pem`, name)
    const host = find(undefined, env)
    assert.deepInclude(host, { hostname: "far", port: 2376 })
    assert.strictEqual((host as { tls: { ca: Buffer } }).tls.ca.toString(), "ca")
  })

  it("what cannot be connected to says what to do", () => {
    assert.match((find("ssh://me@far") as { hint: string }).hint, /forward/)
    assert.match((find("ftp://far") as { hint: string }).hint, /DOCKER_HOST/)
  })
})

describe("the version of the API", () => {
  it("is the one this package knows, or else the nearest that the engine does", () => {
    assert.strictEqual(negotiate("1.52", "1.24"), "1.41")
    assert.strictEqual(negotiate("1.52", "1.44"), "1.44")
    assert.strictEqual(negotiate("1.40", "1.12"), "1.40")
    assert.strictEqual(negotiate("1.9", undefined), "1.9")
  })
})
