/**
 * The calls, over dockerode.
 */
import type Dockerode from "dockerode"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { DockerClient } from "../DockerClient.ts"
import * as Engine from "./engine.ts"
import * as Info from "./info.ts"

/** An engine may notice that memory ran out after we have learned of the death. */
const noticeMillis = 250

/** An engine says nothing while it checks and unpacks a large layer. */
const pullPatience = 5

/** A client of the engine at this place, or where the environment says. */
export const connect = (given: string | undefined, deadlineMillis: number): DockerClient => {
  const { ask, bytes, info, send, upgrade, url } = Engine.make(given, deadlineMillis)
  return {
    host: url,
    version: info,
    inspectImage: (image) =>
      Effect.map(
        ask(`image ${image}`, (docker) => docker.getImage(image).inspect()),
        Info.image
      ),
    pull: (image) =>
      Stream.flatMap(
        Info.lines(bytes(`image ${image}`, (docker, abortSignal) => docker.pull(image, { abortSignal }), pullPatience)),
        (line) => Info.progress(line, url, image)
      ),
    createContainer: (body) =>
      Effect.map(
        ask(`image ${body.Image}`, (docker, abortSignal) => docker.createContainer({ ...body, abortSignal } as never)),
        ({ id }) => id
      ),
    startContainer: (id) => ask(id, (docker, abortSignal) => docker.getContainer(id).start({ abortSignal })),
    inspectContainer: (id) =>
      Effect.map(
        ask(id, (docker, abortSignal) => docker.getContainer(id).inspect({ abortSignal })),
        Info.container
      ),
    removeContainer: (id) =>
      ask(id, (docker, abortSignal) => docker.getContainer(id).remove({ force: true, v: true, abortSignal })).pipe(
        Effect.catch((error) =>
          error.reason._tag === "SandboxNotFound" || /already in progress/.test(error.message)
            ? Effect.void
            : Effect.fail(error)
        )
      ),
    killContainer: (id, signal) =>
      ask(id, (docker, abortSignal) => docker.getContainer(id).kill({ signal, abortSignal })),
    listContainers: (label) =>
      Effect.map(
        ask(undefined, (docker, abortSignal) =>
          docker.listContainers({ all: true, filters: JSON.stringify({ label: [label] }), abortSignal })
        ),
        (all) => all.map(({ Id, Labels, State }) => ({ id: Id, status: State, labels: Labels }))
      ),
    putArchive: (id, path, tar) =>
      send(id, tar instanceof Uint8Array ? [tar] : tar, (docker, body, abortSignal) =>
        docker.getContainer(id).putArchive(body, {
          path,
          // Otherwise a file takes the place of a directory of its name, and of all that is in it.
          noOverwriteDirNonDir: "1",
          abortSignal
        } as never)
      ),
    getArchive: (id, path) =>
      bytes(id, (docker, abortSignal) => docker.getContainer(id).getArchive({ path, abortSignal })),
    stat: (id, path) =>
      ask(id, (docker, abortSignal) => docker.getContainer(id).infoArchive({ path, abortSignal })).pipe(
        Effect.map(Info.file),
        // The answer to a HEAD has no words; whoever asks has just seen the container itself.
        Effect.catch((error) =>
          error.reason._tag === "SandboxNotFound" ? Effect.succeed(undefined) : Effect.fail(error)
        )
      ),
    ranOutOfMemory: (id, since) =>
      Info.lines(
        bytes(id, (docker, abortSignal) =>
          docker.getEvents({
            since: since / 1000,
            until: (Date.now() + noticeMillis) / 1000,
            filters: JSON.stringify({ container: [id], event: ["oom"] }),
            abortSignal
          } as Dockerode.GetEventsOptions)
        )
      ).pipe(
        Stream.take(1),
        Stream.runCollect,
        Effect.map((events) => events.length > 0)
      ),
    createExec: (id, body) =>
      Effect.map(
        ask(id, (docker, abortSignal) => docker.getContainer(id).exec({ ...body, abortSignal })),
        (exec) => exec.id
      ),
    inspectExec: (exec) =>
      Effect.map(
        ask(exec, (docker, abortSignal) => docker.getExec(exec).inspect({ abortSignal })),
        ({ ExitCode, Pid, Running }) => ({ running: Running, exitCode: ExitCode ?? undefined, pid: Pid })
      ),
    startExec: (exec) => upgrade(exec, `/exec/${exec}/start`, { Detach: false, Tty: false }),
    attach: (id) => upgrade(id, `/containers/${id}/attach?stream=1&stdin=1&stdout=1&stderr=1`)
  }
}
