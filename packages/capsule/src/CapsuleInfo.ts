/**
 * What a server tells of a capsule over HTTP, and is told to make one, as PROTOCOL.md has it.
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as Transformation from "effect/SchemaTransformation"

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

/** Milliseconds, or `"Infinity"`. */
const Millis = Schema.Union([
  Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  Schema.Literal("Infinity")
]).pipe(
  Schema.decodeTo(
    Schema.Duration,
    Transformation.transform({
      decode: (millis) => (millis === "Infinity" ? Duration.infinity : Duration.millis(millis)),
      encode: (duration) => (Duration.isFinite(duration) ? Duration.toMillis(duration) : ("Infinity" as const))
    })
  )
)

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
