/**
 * The capsules of a server that has templates: made, listed and ended.
 */
import * as CapsuleClient from "@effect-exec/capsule/CapsuleClient"
import type { CapsuleInfo } from "@effect-exec/capsule/CapsuleInfo"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Follow from "./follow.ts"
import type { JsonEvent } from "./jsonEvent.ts"
import * as Place from "./place.ts"
import * as Capsule from "./places/capsule.ts"
import { Progress } from "./progress.ts"
import { write } from "./standardStreams.ts"
import * as Table from "./table.ts"

/** Which server, and for whom its answers are. */
export interface Flags extends Place.Where {
  readonly json: boolean
}

const json = ({ createdAt, id, status, template }: CapsuleInfo): JsonEvent => ({
  type: "capsule",
  id,
  template,
  status,
  createdAt: DateTime.formatIso(createdAt)
})

type Client = CapsuleClient.CapsuleClient["Service"]

// `place` is how its capsules are named.
const at = <A, E>(flags: Flags, use: (client: Client, place: string) => Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const { target, token } = yield* Place.owner(flags)
    const { url } = yield* Capsule.address(target)
    const work = CapsuleClient.CapsuleClient.use((client) => use(client, `capsule:${url}`)).pipe(
      Effect.provide(Capsule.server(url, token))
    )
    return yield* Follow.report(flags.json, work)
  })

/** Makes one, or takes the one with this id, and says how it is named. */
export const create = (flags: Flags, template: string, id: string | undefined) =>
  at(flags, (client, place) =>
    Effect.gen(function* () {
      const progress = yield* Progress
      // Until it runs: what is wrong with a template is told here, rather than by the first command.
      const info = yield* Effect.tap(client.create({ template, id }), ({ id }) =>
        Effect.scoped(Effect.flatMap(client.exec(id), (exec) => exec.capabilities))
      ).pipe(progress.during(`creating a capsule of ${template}`))
      yield* flags.json
        ? Follow.print([json({ ...info, status: "running" })])
        : write("stdout", `${place}/${info.id}\n`)
    })
  )

/** Lists them. */
export const list = (flags: Flags) =>
  at(flags, (client) =>
    Effect.gen(function* () {
      const capsules = yield* client.list
      if (flags.json) return yield* Follow.print(capsules.map(json))
      const rows = capsules.map((info) => [info.id, info.template, info.status, DateTime.formatIso(info.createdAt)])
      yield* write("stdout", Table.format(["ID", "TEMPLATE", "STATUS", "CREATED"], rows))
    })
  )

/** Ends one, and everything in it. */
export const remove = (flags: Flags, id: string) =>
  at(flags, (client) =>
    Effect.flatMap(Progress, (progress) => client.destroy(id).pipe(progress.during(`ending the capsule ${id}`)))
  )
