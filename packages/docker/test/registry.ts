/** A registry on this machine with one image of one file: as little as an engine needs to pull it. */
import { createHash, randomBytes } from "node:crypto"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { gzipSync } from "node:zlib"
import * as Effect from "effect/Effect"
import { packTar } from "modern-tar"
import { docker } from "./engine.ts"

const sha256 = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`

const types = {
  manifest: "application/vnd.docker.distribution.manifest.v2+json",
  config: "application/vnd.docker.container.image.v1+json",
  layer: "application/vnd.docker.image.rootfs.diff.tar.gzip"
}

const imageOf = async (path: string, file: Uint8Array, architecture: string) => {
  const layer = await packTar([{ header: { name: path.slice(1), mode: 0o644, size: file.length }, body: file }])
  const packed = gzipSync(layer, { level: 1 })
  const config = Buffer.from(
    JSON.stringify({
      architecture,
      os: "linux",
      config: { Env: ["FROM=registry"] },
      rootfs: { type: "layers", diff_ids: [sha256(layer)] }
    })
  )
  const describe = (mediaType: string, bytes: Uint8Array) => ({ mediaType, size: bytes.length, digest: sha256(bytes) })
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: types.manifest,
      config: describe(types.config, config),
      layers: [describe(types.layer, packed)]
    })
  )
  return { manifest, blobs: new Map([config, packed, manifest].map((bytes) => [sha256(bytes), bytes])) }
}

/** Serves it until the scope closes, and removes what was pulled then. */
export const serve = Effect.fnUntraced(function* (architecture: string) {
  const path = "/pulled"
  const file = new Uint8Array(randomBytes(1_000_001))
  const { blobs, manifest } = yield* Effect.promise(() => imageOf(path, file, architecture))
  const answer: Http.RequestListener = (request, response) => {
    const [, kind, name = ""] = /\/v2\/effect-exec\/pulled\/(manifests|blobs)\/(.+)$/.exec(request.url ?? "") ?? []
    const bytes = kind === "manifests" && name === "1" ? manifest : blobs.get(name)
    if (request.url === "/v2/") return response.end("{}")
    if (kind === undefined || bytes === undefined) {
      return response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
    }
    response.writeHead(200, {
      "Content-Type": kind === "manifests" ? types.manifest : "application/octet-stream",
      "Content-Length": bytes.length,
      "Docker-Content-Digest": sha256(bytes)
    })
    return response.end(request.method === "HEAD" ? undefined : bytes)
  }
  const server = yield* Effect.acquireRelease(
    Effect.callback<Http.Server>((resume) => {
      const server = Http.createServer(answer)
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )
  // Engines take a registry of the machine itself without TLS.
  const place = `127.0.0.1:${(server.address() as AddressInfo).port}/effect-exec`
  const image = `${place}/pulled:1`
  yield* Effect.addFinalizer(() => Effect.promise(() => docker("rmi", "-f", image).catch(() => "")))
  return { image, missing: `${place}/missing:1`, layerSize: [...blobs.values()][1]!.length, path, file }
})
