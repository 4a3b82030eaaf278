/**
 * From the options of a container to what the engine's API calls them.
 */
import type { Options } from "../Container.ts"
import * as Owner from "./owner.ts"
import * as Rendezvous from "./rendezvous.ts"

/** A volume, because nothing can be put into a root that is read-only: with the agent's program and the user's directory. */
export const volume = "/sandbox"

/** Who runs commands where nothing is said: nobody in particular, and not root. */
export const defaultUser = "1000:1000"

/** The user's own directory. The volume itself cannot be his: the engine unpacks into it, and leaves it as it is. */
export const work = "work"

/** Where commands start where nothing is said. */
export const defaultWorkdir = `${volume}/${work}`

const defaultTmpfs = { "/tmp": "rw,noexec,nosuid,nodev,size=256m,mode=1777" }
const defaultMemory = 1024 ** 3

const nanosPerCpu = 1e9

/** How the engine writes that there is no limit. */
const unlimited = 0

const limit = (value: number): number => (value === Infinity ? unlimited : value)

/** The body of the call that creates it, with an agent of this name, which is met at this place. */
export const body = (options: Options, agent: string, place: Rendezvous.Place | undefined) => {
  const {
    capabilities = [],
    cpus = 2,
    log = "none",
    memory = defaultMemory,
    mounts = [],
    pids = 512,
    user = defaultUser,
    workdir = defaultWorkdir
  } = options
  return {
    Image: options.image,
    ...(options.name === undefined ? {} : { name: options.name }),
    User: user,
    WorkingDir: workdir,
    // The agent is the first process: it cannot be killed from inside, and its end is the end of all others.
    Entrypoint: [`${volume}/${agent}`],
    Cmd: place === undefined ? [] : Rendezvous.args,
    // The container lives as long as this connection to its stdin: the engine closes it when this program dies.
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    OpenStdin: true,
    StdinOnce: true,
    Tty: false,
    // Of the image's, which would run beside the commands.
    Healthcheck: { Test: ["NONE"] },
    Labels: { ...options.labels, ...Owner.labels() },
    Volumes: { [volume]: {} },
    HostConfig: {
      AutoRemove: true,
      NetworkMode: options.network ?? "none",
      CapDrop: ["ALL"],
      CapAdd: capabilities,
      SecurityOpt: options.newPrivileges === true ? [] : ["no-new-privileges"],
      ReadonlyRootfs: options.readOnlyRoot ?? true,
      Tmpfs: options.tmpfs ?? defaultTmpfs,
      PidsLimit: limit(pids),
      Memory: limit(memory),
      // Swap beside it would only make the end slower.
      MemorySwap: limit(memory),
      NanoCpus: limit(Math.round(cpus * nanosPerCpu)),
      LogConfig: { Type: log, Config: {} },
      Mounts: (place === undefined ? mounts : [...mounts, Rendezvous.mount(place)]).map(
        ({ readOnly = true, source, target }) => ({
          Type: source.startsWith("/") ? "bind" : "volume",
          Source: source,
          Target: target,
          ReadOnly: readOnly
        })
      )
    }
  }
}
