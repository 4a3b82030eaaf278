/** The client in a browser: without anything of Node's, by the browser's own WebSocket and fetch. */
import { createHash } from "node:crypto"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import { gzipSync } from "node:zlib"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Esbuild from "esbuild"
import { chromium } from "playwright-core"
import { assert, describe, it } from "@effect/vitest"
import { LocalExec } from "@effect-exec/local"
import * as FaultProxy from "@effect-exec/testing/FaultProxy"
import * as CapsuleServer from "../src/CapsuleServer.ts"
import type { page as Page } from "./fixtures/page.ts"
import { serve, token } from "./guarded.ts"

/** In the page. */
declare const page: typeof Page

const executable = (process.env["PATH"] ?? "")
  .split(Path.delimiter)
  .flatMap((folder) => ["chromium", "chromium-browser", "google-chrome"].map((name) => Path.join(folder, name)))
  .find((path) => existsSync(path))

/** A bundle for browsers, in which everything of Node's is an error. */
const bundle = (entry: string | { readonly contents: string }): Promise<string> =>
  Esbuild.build({
    ...(typeof entry === "string"
      ? { entryPoints: [entry] }
      : { stdin: { ...entry, resolveDir: import.meta.dirname, loader: "ts" } }),
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false
  }).then(({ outputFiles }) => outputFiles[0]!.text)

const pages = Effect.acquireRelease(
  Effect.promise(async () => {
    const script = await bundle(Path.join(import.meta.dirname, "fixtures/page.ts"))
    const server = Http.createServer(({ url }, response) => {
      const isScript = url === "/page.js"
      response.setHeader("content-type", isScript ? "text/javascript" : "text/html")
      response.end(isScript ? script : `<!doctype html><script type="module" src="/page.js"></script>`)
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    return server
  }),
  (server) =>
    Effect.promise(() => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      return closed
    })
)

const browser = Effect.acquireRelease(
  Effect.promise(() => chromium.launch({ executablePath: executable!, args: ["--no-sandbox"] })),
  (browser) => Effect.promise(() => browser.close())
)

/** A page of an Origin that the server trusts, and one that it does not: the same machine by another name. */
const setup = Effect.gen(function* () {
  const { port } = (yield* pages).address() as AddressInfo
  const origins = [`http://127.0.0.1:${port}`]
  const chromium = yield* browser
  const open = (host: string) =>
    Effect.promise(async () => {
      const page = await chromium.newPage()
      await page.goto(`http://${host}:${port}/`)
      await page.waitForFunction("globalThis.page !== undefined")
      return page
    })
  return { origins, trusted: yield* open("127.0.0.1"), other: yield* open("localhost") }
})

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(Path.join(tmpdir(), "effect-exec-browser-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

// What `seq 1 8000000` writes.
const expected = (() => {
  const hash = createHash("sha256")
  let size = 0
  for (let from = 1; from <= 8_000_000; from += 10_000) {
    const part = Array.from({ length: 10_000 }, (_, index) => `${from + index}\n`).join("")
    hash.update(part)
    size += part.length
  }
  return { size, sha256: hash.digest("hex") }
})()

const secret = Redacted.value(token)

describe("the bundle", () => {
  it("builds for browsers without anything of Node's", async () => {
    for (const [title, contents] of [
      [
        "CapsuleExec",
        `export { CapsuleExec } from "@effect-exec/capsule"; export { Command, Exec } from "effect-exec"`
      ],
      [
        "CapsuleExec, Capsule and files",
        `export * from "@effect-exec/capsule"; export { Command, Exec } from "effect-exec"`
      ]
    ] as const) {
      const text = await bundle({ contents })
      assert.notMatch(text, /\brequire\(|from"node:|process\.versions/)
      const kib = (bytes: number) => `${(bytes / 1024).toFixed(0)} KiB`
      console.log(`${title}, effect included: ${kib(text.length)} minified, ${kib(gzipSync(text).length)} gzipped`)
    }
  })
})

describe.skipIf(executable === undefined)("in Chromium", () => {
  it.live("runs commands, streams as fast as is read and no faster, and goes on after cuts", () =>
    Effect.gen(function* () {
      const { origins, other, trusted } = yield* setup
      const { port, url } = yield* serve({ auth: token, origins })
      const server = { url, token: secret }

      const ran = yield* Effect.promise(() =>
        trusted.evaluate((server) => page.run(server, ["sh", "-c", "cat; echo ü→; exit 3"], "stdin "), server)
      )
      assert.deepStrictEqual(ran, { exitCode: 3, stdout: "stdin ü→\n" })

      // 64 MiB, of which the process says when they are written. Over a proxy that cuts.
      const proxy = yield* FaultProxy.make({ target: { port } })
      const through = { url: `ws://${proxy.host}:${proxy.port}`, token: secret }
      const done = Path.join(yield* folder, "done")
      const script = `seq 1 8000000; echo > ${done}`
      const streaming = yield* Effect.promise(() =>
        trusted.evaluateHandle(({ script, through }) => page.stream(through, script), { through, script })
      )
      yield* Effect.promise(() => streaming.evaluate(({ begun }) => begun))
      yield* Effect.sleep(1_500)
      assert.isFalse(existsSync(done), "nobody read, and yet the process could write all")
      const held = yield* Effect.promise(() => trusted.evaluate("performance.memory.usedJSHeapSize"))
      assert.isBelow(Number(held), 32 * 1024 * 1024)
      yield* Effect.promise(() => streaming.evaluate(({ goOn }) => goOn()))
      for (let cut = 1; cut <= 3; cut++) {
        while ((yield* proxy.counters).toClient < cut * 8 * 1024 * 1024) yield* Effect.sleep(1)
        assert.strictEqual(yield* proxy.cut("reset"), 1)
      }
      const streamed = yield* Effect.promise(() => streaming.evaluate(({ done }) => done))
      assert.deepStrictEqual(streamed, expected)
      assert.isTrue(existsSync(done))

      const problem = yield* Effect.promise(() => other.evaluate((server) => page.problem(server), server))
      assert.include(problem, "Origin")
    })
  )

  it.live("makes a capsule, and moves files in and out of it", () =>
    Effect.gen(function* () {
      const { origins, other, trusted } = yield* setup
      const templates = { local: LocalExec.layerTemporary() }
      const { url } = yield* CapsuleServer.make({ auth: token, origins, templates })
      const server = { url, token: secret }
      const made = yield* Effect.promise(() =>
        trusted.evaluate((server) => page.capsule(server, "local", "hello ü"), server)
      )
      assert.deepStrictEqual(made, ["local", "hello ü", "8 file\n"])
      const refused = yield* Effect.promise(() =>
        other.evaluate((server) => page.capsule(server, "local", "").catch((error: Error) => error.message), server)
      )
      assert.include(String(refused), "unavailable")
    })
  )
})
