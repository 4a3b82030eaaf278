/**
 * A test of the suite as data: whoever runs it chooses how.
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Capabilities } from "effect-exec/Capabilities"
import * as Exec from "effect-exec/Exec"
import type { Fixtures } from "../../Fixtures.ts"
import { type Kit, makeKit } from "./kit.ts"

/** What is tested. */
export interface Target {
  /** What the backend is expected to declare, and is held to. */
  readonly capabilities: Capabilities
  /** The commands of the suite, for the kind of sandbox that the backend has. */
  readonly fixtures: Fixtures
  /**
   * A layer that sees the same processes and may be built a second time, for what happens when a layer closes. Without
   * one those tests are left out.
   */
  readonly sibling?: Layer.Layer<Exec.Exec, unknown> | undefined
  /** A layer of the same kind whose other side is not there, where there can be such a thing. */
  readonly unreachable?: Layer.Layer<Exec.Exec, unknown> | undefined
  /** An instance whose link to the other side can be cut, where there is a link. */
  readonly severable?: Effect.Effect<Severable, unknown, Scope.Scope> | undefined
}

/** An instance whose link can be cut. */
export interface Severable {
  readonly exec: Exec.Exec["Service"]
  /** Cuts the link for good. */
  readonly cut: Effect.Effect<void>
}

/** One behaviour of the contract. */
export interface Case {
  /** The number that the contract gives it: `C12`. */
  readonly number: string
  /** What is promised, beginning with the number. */
  readonly title: string
  /** The longest it may take, in milliseconds, on a machine that is busy. */
  readonly timeout: number
  readonly effect: Effect.Effect<void, unknown, Exec.Exec | Scope.Scope>
}

/** The tests of one chapter. */
export type Chapter = (target: Target) => ReadonlyArray<Case>

/** A test of a target. */
export const testOf =
  (target: Target) =>
  (
    title: string,
    body: (kit: Kit) => Effect.Effect<void, unknown, Scope.Scope>,
    options?: { readonly timeout?: number }
  ): Case => ({
    number: title.slice(0, title.indexOf(" ")),
    title,
    timeout: options?.timeout ?? 30_000,
    effect: Effect.flatMap(Exec.Exec, (exec) => body(makeKit(exec, target.fixtures)))
  })

/** These tests where the condition holds, none otherwise. */
export const when = (condition: boolean, cases: () => ReadonlyArray<Case>): ReadonlyArray<Case> =>
  condition ? cases() : []
