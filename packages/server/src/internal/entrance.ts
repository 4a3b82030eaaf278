/**
 * Who is let in: a socket whose first frame says who it is, in time, and which capsule it wants.
 */
import type { Connection, Receiver } from "@effect-exec/capsule/Connection"
import { closeCodes, hello } from "@effect-exec/capsule/Wire"
import type { Limits } from "../Limits.ts"
import type { Identify } from "./auth.ts"
import type { Sessions } from "./sessions.ts"

/** A socket that is not let in yet. */
export interface Guest {
  readonly connection: Connection
  /** The id of the capsule that it wants; the one that is served, where it names none. */
  readonly capsule?: string | undefined
  /** What it has shown already, in its upgrade. */
  readonly shown?: string | undefined
}

/** What takes the frames of a guest. */
export type Entrance = (guest: Guest) => Receiver

/** `find` gives the sessions of a capsule. */
export const make =
  (identify: Identify, limits: Limits, find: (capsule: string | undefined) => Sessions | undefined): Entrance =>
  ({ capsule, connection, shown }) => {
    let inside: Receiver | undefined
    const late = setTimeout(() => connection.close(closeCodes.silent, "no Hello came"), limits.greeting)
    const enter = (frame: string | Uint8Array): void => {
      const greeted = hello.decode(frame)
      if (greeted === undefined) return connection.close(closeCodes.wrongFrame, "the first frame is no Hello")
      const client = identify(shown ?? greeted.token)
      if (client === undefined) return connection.close(closeCodes.unauthorized, "the token is missing or wrong")
      // Only now: which capsules there are is nothing for strangers.
      const sessions = find(capsule)
      if (sessions === undefined) return connection.close(closeCodes.noCapsule, capsule ?? "without an id")
      inside = sessions.welcome(connection, greeted, client)
    }
    return {
      frame: (frame) => {
        if (inside !== undefined) return inside.frame(frame)
        clearTimeout(late)
        enter(frame)
      },
      closed: (code, reason) => {
        clearTimeout(late)
        inside?.closed(code, reason)
      }
    }
  }
