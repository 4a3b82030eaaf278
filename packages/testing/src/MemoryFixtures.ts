/**
 * The suite's commands as programs in memory, for `TestExec` and what wraps it.
 */
import * as Command from "effect-exec/Command"
import * as Fixtures from "./Fixtures.ts"
import { programs } from "./internal/programs.ts"
import * as TestExec from "./TestExec.ts"

const facts: Fixtures.Facts = {
  directory: "/work",
  missingDirectory: "/effect-exec/no/such/directory",
  notExecutable: "/etc/passwd",
  user: "nobody",
  shell: false,
  python: false,
  escapes: true
}

/** The suite's commands for `TestExec`. */
export const fixtures: Fixtures.Fixtures = Fixtures.make((program, args) => Command.make(program, args), facts)

/** What a machine has on which they are installed. */
export const machine: TestExec.Options = {
  programs,
  directories: [facts.directory],
  notExecutable: [facts.notExecutable]
}

/** A machine on which they are installed. */
export const sandbox = (): TestExec.Sandbox => TestExec.sandbox(machine)
