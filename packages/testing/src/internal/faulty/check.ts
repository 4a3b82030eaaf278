/**
 * A policy that cannot be meant: a mistake in the test, so it dies with what is wrong.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { Policy } from "../../FaultyExec.ts"

const check = (isValid: boolean, field: string, problem: string): void => {
  if (!isValid) throw new RangeError(`FaultyExec: ${field} ${problem}`)
}

const isCount = (value: number, from: number): boolean => Number.isSafeInteger(value) && value >= from

const isDuration = (value: Duration.Input): boolean =>
  Option.match(Duration.fromInput(value), { onNone: () => false, onSome: (it) => !Duration.isNegative(it) })

/** Throws what is wrong with a policy. */
export const checkPolicy = ({ chunks = {}, faults = [] }: Policy): void => {
  const { delay, merge, split } = chunks
  check(split === undefined || isCount(split, 1), "chunks.split", "has to be a whole number of bytes, from 1 on")
  check(merge === undefined || isDuration(merge), "chunks.merge", "has to be a duration")
  check(delay === undefined || isDuration(delay), "chunks.delay", "has to be a duration")
  for (const [index, fault] of faults.entries()) {
    const { chance, nth } = fault
    const name = `faults[${index}]`
    check(nth === undefined || isCount(nth, 1), `${name}.nth`, "has to be a whole number, from 1 on")
    check(chance === undefined || (chance >= 0 && chance <= 1), `${name}.chance`, "has to be from 0 to 1")
    if (fault._tag === "FailStart") continue
    if (fault._tag === "DelayStart") {
      check(isDuration(fault.duration), `${name}.duration`, "has to be a duration")
      continue
    }
    const [min, max] = rangeOf(fault.after)
    check(isCount(min, 0) && isCount(max, min), `${name}.after`, "has to be whole numbers of bytes, from 0 on")
  }
}

/** A number or a range of them, as a range. */
export const rangeOf = (value: number | readonly [number, number] = 0): readonly [min: number, max: number] =>
  typeof value === "number" ? [value, value] : value
