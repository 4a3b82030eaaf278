/**
 * What a backend can do. A backend declares it, the conformance suite holds it to every word: what is declared is
 * tested, and asking for what is declared absent fails with reason `Unsupported`, never silently.
 */
import * as Schema from "effect/Schema"

/** What a backend can do. */
export const Capabilities = Schema.Struct({
  /**
   * Which processes count as the tree of a command, and so end with it. `exact`: every descendant, also `setsid`'d,
   * double-forked ones with an empty environment. `group+descent`: the process group, and the descendants whose chain
   * of parents is unbroken at the time of the kill. `group`: the process group.
   */
  tree: Schema.Literals(["exact", "group+descent", "group"]),
  /** `exact` tells every death by signal from an exit code; `code` has 128 + n for both. */
  exit: Schema.Literals(["exact", "code"]),
  /** Whether a command can have a stdin. */
  stdin: Schema.Literals(["stream", "none"]),
  /** Whether a command can have a terminal. */
  tty: Schema.Literals(["real", "none"]),
  /** Whether a command can run as another user. */
  user: Schema.Literals(["any", "none"]),
  /** Who owns a detached process: the layer, which ends it when it closes, or the remote side, where it lives on. */
  detach: Schema.Literals(["layer", "remote"]),
  /** How a signal to a pid that was given to another process is avoided: `exact`, or `checked` by start time. */
  pidReuse: Schema.Literals(["exact", "checked", "none"])
})
/** What a backend can do. */
export type Capabilities = typeof Capabilities.Type
