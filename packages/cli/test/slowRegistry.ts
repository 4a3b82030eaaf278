/** A registry on this machine with one image that never comes to an end: for what is seen while one waits. */
import { createHash, randomBytes } from "node:crypto"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"

const digest = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`

const layer = randomBytes(4 * 1024 * 1024)
const config = Buffer.from(
  JSON.stringify({
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [digest(layer)] }
  })
)
const type = "application/vnd.docker.distribution.manifest.v2+json"
const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: type,
    config: {
      mediaType: "application/vnd.docker.container.image.v1+json",
      size: config.length,
      digest: digest(config)
    },
    layers: [
      { mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip", size: layer.length, digest: digest(layer) }
    ]
  })
)

const answer: Http.RequestListener = ({ method, url = "" }, response) => {
  const send = (bytes: Uint8Array, contentType: string) =>
    response
      .writeHead(200, {
        "content-type": contentType,
        "content-length": bytes.length,
        "docker-content-digest": digest(bytes)
      })
      .end(method === "HEAD" ? undefined : bytes)
  if (url === "/v2/") return void response.end("{}")
  if (url.includes("/manifests/")) return void send(manifest, type)
  if (url.endsWith(digest(config))) return void send(config, "application/octet-stream")
  // A half of it, and then nothing more.
  response.writeHead(200, { "content-length": layer.length })
  response.write(layer.subarray(0, layer.length / 2))
}

/** The name of the image. */
export const image = Effect.acquireRelease(
  Effect.callback<Http.Server>((resume) => {
    const server = Http.createServer(answer)
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      server.closeAllConnections()
    })
).pipe(Effect.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}/slow:1`))
