/**
 * The identity of a process: minted by the client before anything starts, so that starting twice with one id starts
 * once. A pid is only an address, which the kernel gives to others later.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"

/** 1 to 128 letters, digits, `.`, `_`, `:` or `-`; not digits only, so that it can never be read as a pid. */
export const ProcessId = Schema.String.check(Schema.isPattern(/^(?![0-9]+$)[A-Za-z0-9._:-]{1,128}$/)).pipe(
  Schema.brand("effect-exec/ProcessId")
)
/** 1 to 128 letters, digits, `.`, `_`, `:` or `-`; not digits only, so that it can never be read as a pid. */
export type ProcessId = typeof ProcessId.Type

/** Whether the value can be the id of a process. */
export const isProcessId: (value: unknown) => value is ProcessId = Schema.is(ProcessId)

/** Takes an id of your own, for example a job's number; throws when it does not have the form of one. */
export const make = (id: string): ProcessId => ProcessId.make(id)

const hex32 = Effect.map(Random.nextIntBetween(0, 0xffff_ffff), (bits) => bits.toString(16).padStart(8, "0"))

/** A new random id: 96 bits, more than chance repeats. */
export const random: Effect.Effect<ProcessId> = Effect.map(
  Effect.all([hex32, hex32, hex32]),
  // The letter in front keeps an id that happens to be all digits from being taken for a pid.
  (parts) => ProcessId.make(`p${parts.join("")}`)
)

/** A new random tag: `exec-` and eight hexadecimal digits. */
export const randomTag: Effect.Effect<string> = Effect.map(hex32, (digits) => `exec-${digits}`)
