/**
 * How help is shown, and what was typed wrongly.
 */
import * as CliOutput from "effect/cli/CliOutput"
import * as Effect from "effect/Effect"
import { note, write } from "./standardStreams.ts"

/** Lays out help and errors. */
export const formatter = (colors: boolean): CliOutput.Formatter =>
  CliOutput.defaultFormatter({ colors, globalFlags: "summary" })

/** Help on standard output; what is wrong on standard error, with a hint at the help instead of all of it. */
export const presenter: CliOutput.Presenter = {
  present: (event) => {
    const { formatCliError, formatHelpDoc } = formatter(process.stdout.isTTY && process.stdout.hasColors())
    switch (event._tag) {
      case "Help":
        return Effect.ignore(write("stdout", `${formatHelpDoc(event.helpDoc)}\n`))
      case "Version":
        return Effect.ignore(write("stdout", `${event.name} ${event.version}\n`))
      case "InvalidInvocation":
        return note(`${event.errors.map(formatCliError).join("\n")}\nSee ${event.commandPath.join(" ")} --help`)
    }
  }
}
