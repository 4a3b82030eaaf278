/** Test programs that run commands: an in-memory `Exec`, and the suite that every backend passes. */
export * as ExecConformance from "./ExecConformance.ts"
export * as FaultyExec from "./FaultyExec.ts"
export * as Fixtures from "./Fixtures.ts"
export * as Matcher from "./Matcher.ts"
export * as MemoryFixtures from "./MemoryFixtures.ts"
export * as Program from "./Program.ts"
export * as ShFixtures from "./ShFixtures.ts"
export * as TestExec from "./TestExec.ts"
