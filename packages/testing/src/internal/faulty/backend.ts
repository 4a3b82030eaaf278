/**
 * A backend with its faults: what strikes which start, drawn from the seed.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type { Backend } from "effect-exec/Backend"
import type { Command } from "effect-exec/Command"
import * as ExecError from "effect-exec/ExecError"
import type { Fault, Policy, Strike } from "../../FaultyExec.ts"
import { match } from "../matching.ts"
import { checkPolicy } from "./check.ts"
import { rechunk } from "./chunks.ts"
import { loseWhen, strike } from "./strike.ts"

/** A backend that breaks, and a way to lose all of it. */
export const faulty = Effect.fnUntraced(function* (backend: Backend, policy: Policy, seed: string) {
  checkPolicy(policy)
  const faults = policy.faults ?? []
  const counts = faults.map(() => 0)
  const cut = Deferred.makeUnsafe<never, ExecError.ExecError>()
  const struck: Array<Strike> = []
  let starts = 0

  // Every fault draws, also one that is not for this start, so that changing one leaves what others draw as it was.
  const choose = (command: Command, random: Random.Random): Fault | undefined =>
    faults.filter((fault, index) => {
      const { chance = 1, command: matcher, nth } = fault
      const isDrawn = random.nextDoubleUnsafe() < chance
      if (matcher !== undefined && Option.isNone(match(matcher, command))) return false
      const count = ++counts[index]!
      return isDrawn && (nth === undefined || nth === count)
    })[0]

  const spawn: Backend["spawn"] = Effect.fnUntraced(function* (request) {
    if (Deferred.isDoneUnsafe(cut)) return yield* lost(false, "cut by the test")
    const number = ++starts
    // Of its own for every start, so that processes that run at the same time do not disturb each other.
    const random = yield* Random.withSeed(Random.Random, `${seed}/${number}`)
    const fault = choose(request.command, random)
    const why = `on purpose: start ${number}, seed ${JSON.stringify(seed)}`
    const note = () => {
      if (fault !== undefined) struck.push({ start: number, command: request.command, fault })
    }
    if (fault?._tag === "FailStart") {
      note()
      return yield* ExecError.make(fault.reason)
    }
    if (fault?._tag === "DelayStart") {
      note()
      yield* Effect.sleep(fault.duration)
    }
    const running = loseWhen(yield* backend.spawn(request), cut)
    const broken =
      fault === undefined || fault._tag === "DelayStart"
        ? running
        : yield* strike(running, request, fault, random, { loss: lost(true, why), note })
    return policy.chunks === undefined ? broken : rechunk(broken, policy.chunks, random)
  })

  const faultyBackend: Backend = { ...backend, spawn }
  return {
    backend: faultyBackend,
    struck: Effect.sync(() => [...struck]),
    cut: Effect.asVoid(Deferred.fail(cut, lost(true, "cut by the test")))
  }
})

const lost = (started: boolean, text: string): ExecError.ExecError =>
  ExecError.make(new ExecError.ConnectionLost({ started, detail: { backend: "faulty", text } }))
