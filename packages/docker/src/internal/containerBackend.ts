/**
 * The backend of a container: its first agent, and one more for each user whom that one may not become.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { Backend } from "effect-exec/Backend"
import type { ExecError } from "effect-exec/ExecError"
import type { Container } from "../Container.ts"
import * as Agents from "./agents.ts"
import { readFile, writeFile } from "./archive.ts"
import * as Oom from "./oom.ts"
import * as Restarting from "effect-exec/Restarting"

/** What is known of it. */
export interface Parts {
  readonly place: Omit<Agents.Place, "user">
  readonly main: Backend
  readonly name: string
  readonly user: string
  /** Whose files are by default. */
  readonly owner: { readonly uid: number; readonly gid: number }
  readonly capabilities: ReadonlySet<string>
}

// To become him, and to end what he runs.
const switching = ["SETUID", "SETGID", "KILL"]

const isRoot = (user: string): boolean => ["", "root", "0"].includes(user.split(":")[0]!)

/** The container. Closing the scope ends the agents of its users. */
export const make = (parts: Parts): Effect.Effect<Container, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { capabilities, main, name, owner, place, user } = parts
    const scope = yield* Effect.scope
    // Root without these rights has no more to say than anybody: the engine starts an agent as the user instead.
    const switches = isRoot(user) && (capabilities.has("ALL") || switching.every((right) => capabilities.has(right)))
    const users = new Map<string, Effect.Effect<Agents.AgentBackend, ExecError>>()

    const agentOf = (user: string) =>
      Effect.suspend(() => {
        const known = users.get(user)
        if (known !== undefined) return known
        return Effect.flatMap(Scope.provide(Restarting.make(Agents.start({ ...place, user })), scope), (agent) => {
          users.set(user, agent)
          return agent
        })
      })

    const backend: Backend = {
      name: "docker",
      capabilities: Effect.map(main.capabilities, (all) => ({ ...all, user: "any" as const })),
      spawn: (request) => {
        const { user: other, ...command } = request.command
        const spawned =
          other === undefined || other === user || switches
            ? main.spawn(request)
            : Effect.flatMap(agentOf(other), ({ backend }) => backend.spawn({ ...request, command }))
        return Oom.watch(place.client, place.id, spawned)
      },
      ...(main.files === undefined ? {} : { files: main.files })
    }
    return {
      id: place.id,
      name,
      backend,
      writeFile: (path, content, options = {}) =>
        writeFile(place.client, place.id, path, content, {
          mode: options.mode,
          uid: options.uid ?? owner.uid,
          gid: options.gid ?? owner.gid
        }),
      readFile: (path) => readFile(place.client, place.id, path)
    }
  })
