/**
 * The size of a terminal, in character cells.
 */
import * as Schema from "effect/Schema"

// The kernel's `struct winsize` holds unsigned 16-bit numbers.
const Cells = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 }))

/** The size of a terminal, in character cells, each 1 to 65,535. */
export const TtySize = Schema.Struct({ columns: Cells, rows: Cells })
/** The size of a terminal, in character cells, each 1 to 65,535. */
export type TtySize = typeof TtySize.Type

/** Whether both sides are whole numbers in the range that a terminal can have. */
export const isTtySize = (value: unknown): value is TtySize => Schema.is(TtySize)(value)
