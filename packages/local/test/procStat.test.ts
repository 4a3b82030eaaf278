import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { isAlive, parse, type ProcStat } from "../src/internal/procStat.ts"

const line = (name: string, { pid, state, ppid, pgrp, session, threads, start }: ProcStat) =>
  `${pid} (${name}) ${state} ${ppid} ${pgrp} ${session} 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 ${threads} 0 ${start} 9 1 18446744073709551615 1\n`

const sample: ProcStat = { pid: 42, state: "S", ppid: 1, pgrp: 40, session: 39, threads: 3, start: 123_456 }

describe("a line of /proc/<pid>/stat", () => {
  it("is read field by field", () => assert.deepStrictEqual(parse(line("sleep", sample)), sample))

  it.each(["a b", ") R 1 1 1", "((", "))", "x) S 7 (y", "\n", "", " ("])("with a name like %j is read", (name) =>
    assert.deepStrictEqual(parse(line(name, sample)), sample)
  )

  const Natural = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 32 }))
  const Stat = Schema.Struct({
    pid: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2 ** 22 })),
    state: Schema.Literals(["R", "S", "D", "T", "t", "Z", "X", "I"]),
    ppid: Natural,
    pgrp: Schema.Int.check(Schema.isBetween({ minimum: -1, maximum: 2 ** 22 })),
    session: Natural,
    threads: Natural,
    start: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
  })
  it.prop("is read whatever the name is", { name: Schema.String, stat: Stat }, ({ name, stat }) =>
    assert.deepStrictEqual(parse(line(name, stat)), stat)
  )
  it.prop("that was cut off is no line, and no wrong one either", { cut: Natural, stat: Stat }, ({ cut, stat }) => {
    const whole = line("a (b) c", stat)
    const part = parse(whole.slice(0, cut % whole.length))
    // Cut inside of the last field that is read, it is a shorter number: only there can a cut go unnoticed.
    if (part !== undefined) assert.deepStrictEqual({ ...part, start: 0 }, { ...stat, start: 0 })
  })
  it.prop("that is no such line is refused", [Schema.String], ([text]) => assert.isUndefined(parse(text)))
})

describe("a process", () => {
  it("lives unless it is a zombie or dead", () => {
    for (const state of ["R", "S", "D", "T", "t", "I"]) assert.isTrue(isAlive({ ...sample, state }))
    for (const state of ["Z", "X", "x"]) assert.isFalse(isAlive({ ...sample, state, threads: 1 }))
  })
  it("whose first thread ended lives while others run", () => assert.isTrue(isAlive({ ...sample, state: "Z" })))
})
