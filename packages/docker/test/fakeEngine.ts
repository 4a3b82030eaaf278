/** An engine on a Unix socket that is as slow as a test wants it. */
import * as Fs from "node:fs"
import * as Http from "node:http"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"

/** What it does with a request. */
export type Answer = (request: Http.IncomingMessage, response: Http.ServerResponse) => void

const version = { Version: "20.10.0", ApiVersion: "1.41", MinAPIVersion: "1.12", Arch: "amd64" }

/** Serves `version` and what else is given, until the scope closes; gives its address. */
export const serve = (answer: Answer) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly server: Http.Server; readonly folder: string }>((resume) => {
        const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-exec-fake-"))
        const server = Http.createServer((request, response) => {
          if (request.url?.endsWith("/version") === true) response.end(JSON.stringify(version))
          else answer(request, response)
        })
        server.listen(Path.join(folder, "s"), () => resume(Effect.succeed({ server, folder })))
      }),
      ({ folder, server }) =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
          Fs.rmSync(folder, { recursive: true, force: true })
        })
    ),
    ({ folder }) => `unix://${Path.join(folder, "s")}`
  )
