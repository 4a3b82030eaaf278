/**
 * What a server tells of a capsule over HTTP, and is told to make one, as PROTOCOL.md has it.
 */
import * as Schema from "effect/Schema"
import { Millis } from "./Wire.ts"

/** What a server tells of a capsule. */
export const CapsuleInfo = Schema.Struct({
  id: Schema.String,
  /** What it was made of. */
  template: Schema.String,
  createdAt: Schema.DateTimeUtc,
  /** Whether commands can run in it; `failed` where starting it failed, which the next command tries again. */
  status: Schema.Literals(["starting", "running", "failed"])
})
/** What a server tells of a capsule. */
export type CapsuleInfo = typeof CapsuleInfo.Type

/** What a server is told to make a capsule. */
export const CreateCapsule = Schema.Struct({
  template: Schema.String,
  /** Creating twice with one id creates once. The server makes one up where there is none. */
  id: Schema.optionalKey(Schema.String),
  /** How long nobody has to use it before it may end; the server has a default. */
  idleTimeout: Schema.optionalKey(Millis)
})
/** What a server is told to make a capsule. */
export type CreateCapsule = typeof CreateCapsule.Type
