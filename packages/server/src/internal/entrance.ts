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
  /** Told when it is let in. */
  readonly entered?: (() => void) | undefined
  /** Closes it, for good. */
  readonly refuse: (code: number, problem: string) => void
}

/** What takes the frames of a guest. */
export type Entrance = (guest: Guest) => Receiver

/** `find` gives the sessions of a capsule. */
export const make = (
  identify: Identify,
  limits: Limits,
  find: (capsule: string | undefined) => Sessions | undefined
): Entrance => {
  // In the order in which they came.
  const strangers = new Set<Guest>()

  const wait = (guest: Guest): (() => void) => {
    const [oldest] = strangers
    if (oldest !== undefined && strangers.size >= limits.strangers) {
      strangers.delete(oldest)
      oldest.refuse(closeCodes.silent, "no Hello came, and others did")
    }
    strangers.add(guest)
    const late = setTimeout(() => guest.refuse(closeCodes.silent, "no Hello came"), limits.greeting)
    return () => {
      clearTimeout(late)
      strangers.delete(guest)
    }
  }

  const enter = (guest: Guest, frame: string | Uint8Array): Receiver | undefined => {
    const { capsule, connection, entered, refuse, shown } = guest
    const said = hello.decode(frame)
    if (said === undefined) return void refuse(closeCodes.wrongFrame, "the first frame is no Hello")
    const client = identify(shown ?? said.token)
    if (client === undefined) return void refuse(closeCodes.unauthorized, "the token is missing or wrong")
    // Only now: which capsules there are is nothing for strangers.
    const sessions = find(capsule)
    if (sessions === undefined) return void refuse(closeCodes.noCapsule, capsule ?? "without an id")
    entered?.()
    return sessions.welcome(connection, said, client, refuse)
  }

  return (guest) => {
    const hasGreeted = wait(guest)
    let isGreeted = false
    let inside: Receiver | undefined
    return {
      frame: (frame) => {
        if (isGreeted) return inside?.frame(frame)
        isGreeted = true
        hasGreeted()
        inside = enter(guest, frame)
      },
      closed: (code, reason) => {
        hasGreeted()
        inside?.closed(code, reason)
      }
    }
  }
}
