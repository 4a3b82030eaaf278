/**
 * From what the engine answers to what is wanted of it.
 */
import type Dockerode from "dockerode"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ExecError } from "effect-exec/ExecError"
import type { ContainerInfo, FileInfo, ImageInfo, PullProgress } from "../DockerClient.ts"
import { failure } from "./failure.ts"

export const image = ({ Architecture, Config, Id }: Dockerode.ImageInspectInfo): ImageInfo => ({
  id: Id,
  architecture: Architecture,
  env: Config?.Env ?? []
})

export const container = (info: Dockerode.ContainerInspectInfo): ContainerInfo => ({
  id: info.Id,
  name: info.Name.replace(/^\//, ""),
  imageId: info.Image,
  status: info.State.Status,
  exitCode: info.State.ExitCode,
  oomKilled: info.State.OOMKilled,
  env: info.Config.Env ?? [],
  user: info.Config.User,
  readOnlyRoot: info.HostConfig.ReadonlyRootfs === true,
  volumes: info.Mounts.filter(({ Type }) => Type === "volume").map(({ Destination, RW }) => ({
    destination: Destination,
    writable: RW
  })),
  privileged: info.HostConfig.Privileged === true,
  capAdd: (info.HostConfig.CapAdd as ReadonlyArray<string> | null | undefined) ?? [],
  capDrop: (info.HostConfig.CapDrop as ReadonlyArray<string> | null | undefined) ?? []
})

/** What the answer to HEAD says in a header. */
export const file = (answer: unknown): FileInfo | undefined => {
  const response = answer as NodeJS.ReadableStream & { readonly headers: Readonly<Record<string, string | undefined>> }
  // Or its connection is never given back.
  response.resume()
  const header = response.headers["x-docker-container-path-stat"]
  if (header === undefined) return undefined
  const { linkTarget, size } = JSON.parse(Buffer.from(header, "base64").toString()) as Record<keyof FileInfo, never>
  return { size, linkTarget: linkTarget === "" ? undefined : linkTarget }
}

/** A body of one JSON value a line. */
export const lines = (bytes: Stream.Stream<Uint8Array, ExecError>): Stream.Stream<unknown, ExecError> =>
  bytes.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.filter((line) => line.trim() !== ""),
    Stream.map((line) => JSON.parse(line) as unknown)
  )

interface PullLine {
  readonly status?: string
  readonly id?: string
  readonly error?: string
  readonly progressDetail?: { readonly current?: number; readonly total?: number }
}

/** A failed pull is a line in an answer that began with 200. */
export const progress = (line: unknown, host: string, image: string): Stream.Stream<PullProgress, ExecError> => {
  const { error, id, progressDetail, status = "" } = line as PullLine
  return error === undefined
    ? Stream.succeed({ status, id, current: progressDetail?.current, total: progressDetail?.total })
    : Stream.fromEffect(Effect.fail(failure({ host, sandbox: `image ${image}` }, { status: 404, text: error })))
}
