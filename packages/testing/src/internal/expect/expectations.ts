/**
 * What a test expects to be run, what was run, and what is to be said when they differ.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type { Command } from "effect-exec/Command"
import * as ExecError from "effect-exec/ExecError"
import type { Matcher } from "../../Matcher.ts"
import type { Program } from "../../Program.ts"
import type { Reply } from "../../Reply.ts"
import type { Machine } from "../machine/spawn.ts"
import { match, show } from "../matching.ts"
import { differences, distance } from "../nearest.ts"
import { type Answer, answer, type ExpectedStdin } from "./answer.ts"

/** One expectation. */
interface Expected {
  readonly matcher: Matcher<unknown>
  readonly min: number
  readonly max: number
  /** What a command runs when this one is for it. */
  readonly take: (command: Command) => Option.Option<Effect.Effect<Program, ExecError.ExecError>>
  count: number
}

/** The expectations of one layer. */
export class Expectations {
  private readonly expected: Array<Expected> = []
  private readonly run: Array<Command> = []
  private readonly unexpected: Array<Command> = []

  add<A>(
    matcher: Matcher<A>,
    reply: Reply<A>,
    times: number | readonly [min: number, max: number],
    stdin: ExpectedStdin | undefined
  ): void {
    const [min, max] = typeof times === "number" ? [times, times] : times
    if (!(min >= 0 && max >= min)) throw new RangeError(`times has to be a count or a range of counts; it is ${times}`)
    const take = (command: Command) =>
      Option.map(match(matcher, command), (value) =>
        isReason(reply) ? Effect.fail(ExecError.make(reply)) : Effect.succeed(answer(reply as Answer<A>, value, stdin))
      )
    this.expected.push({ matcher: matcher as Matcher<unknown>, min, max, take, count: 0 })
  }

  /** The commands that were run, in order. */
  get calls(): ReadonlyArray<Command> {
    return [...this.run]
  }

  /** Finds what is expected, then what is installed. Where something is expected, everything else is unexpected. */
  find(installed: Machine["find"]): Machine["find"] {
    return (command) =>
      Effect.suspend(() => {
        this.run.push(command)
        for (const expected of this.expected) {
          const taken = expected.count < expected.max ? expected.take(command) : Option.none()
          if (Option.isNone(taken)) continue
          expected.count++
          return taken.value
        }
        if (this.expected.length === 0) return installed(command)
        return Effect.catchReason(installed(command), "ExecError", "CommandNotFound", () => {
          this.unexpected.push(command)
          return Effect.die(new Error(this.refusal(command)))
        })
      })
  }

  /** Dies where not all that was expected did happen, or something else did. */
  get verify(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const missing = this.expected.filter(({ count, min }) => count < min)
      if (missing.length === 0 && this.unexpected.length === 0) return Effect.void
      return Effect.die(
        new Error(
          [
            ...(missing.length === 0 ? [] : ["Not everything that was expected was run:", ...missing.map(describe)]),
            ...section("Unexpected was:", this.unexpected),
            ...section("All that was run:", this.run)
          ].join("\n")
        )
      )
    })
  }

  private refusal(command: Command): string {
    const near = this.expected
      .map((expected) => ({ expected, ...compare(expected, command) }))
      .toSorted((a, b) => a.distance - b.distance)[0]
    return [
      `Unexpected command: ${show(command.argv)}`,
      ...(near === undefined ? [] : [`Nearest to it is ${title(near.expected.matcher)}: ${near.why}`]),
      "Expected are:",
      ...this.expected.map(describe),
      ...section("Run before:", this.run.slice(0, -1))
    ].join("\n")
  }
}

const isReason = Schema.is(ExecError.Reason)

const section = (title: string, commands: ReadonlyArray<Command>): ReadonlyArray<string> =>
  commands.length === 0 ? [] : [title, ...commands.map(({ argv }) => `  ${show(argv)}`)]

const describe = ({ count, matcher, max, min }: Expected): string => {
  const times = min === max ? `${min}` : max === Infinity ? `at least ${min}` : `${min} to ${max}`
  return `  ${count < min ? "✗" : "✓"} ${title(matcher)} (run ${count} of ${times})`
}

const title = (matcher: Matcher<unknown>): string => {
  if (Schema.isSchema(matcher)) return ofSchema(matcher.ast)
  switch (typeof matcher) {
    case "string":
      return `${show([matcher])} …`
    case "function":
      return matcher.name === "" ? "what a function accepts" : `what ${matcher.name} accepts`
    default:
      return show(matcher as ReadonlyArray<string>)
  }
}

// By its name where it has one, else word by word: `seq <Number> …`.
const ofSchema = (ast: SchemaAST.AST): string => {
  const name = ast.annotations?.["title"] ?? ast.annotations?.["identifier"]
  if (typeof name === "string") return name
  if (!SchemaAST.isArrays(ast)) return "what a Schema decodes"
  const words = ast.elements.map((word) =>
    SchemaAST.isLiteral(word) ? show([String(word.literal)]) : `<${word._tag}>`
  )
  return [...words, ...(ast.rest.length > 0 ? ["…"] : [])].join(" ")
}

// How near an expectation is to a command, and what keeps it from being meant.
const compare = ({ matcher, max, take }: Expected, command: Command): { distance: number; why: string } => {
  const { argv } = command
  if (Option.isSome(take(command))) return { distance: 0, why: `it has been run as often as it may be, ${max} in all` }
  if (Schema.isSchema(matcher)) {
    const decoded = Schema.decodeUnknownResult(matcher as Schema.ConstraintDecoder<unknown>)(argv)
    return { distance: 0.5, why: Result.isFailure(decoded) ? decoded.failure.message : "" }
  }
  switch (typeof matcher) {
    case "string":
      return { distance: distance([argv[0]], [matcher]), why: differences([argv[0]], [matcher]) }
    case "function":
      return { distance: 0.6, why: "it said no" }
    default: {
      const words = matcher as ReadonlyArray<string>
      return { distance: distance(argv, words), why: differences(argv, words) }
    }
  }
}
