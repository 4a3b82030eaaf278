/**
 * The suite's commands as small programs for `/bin/sh`: for every sandbox with a POSIX shell, busybox included.
 */
import * as Command from "effect-exec/Command"
import * as Fixtures from "./Fixtures.ts"
import { scripts } from "./internal/scripts.ts"

/** The suite's commands for a sandbox with a POSIX shell. What differs from Linux with a shell alone is given here. */
export const make = (facts?: Partial<Fixtures.Facts>): Fixtures.Fixtures =>
  Fixtures.make((program, args) => Command.make("/bin/sh", ["-c", scripts[program], program, ...args]), {
    directory: "/usr",
    missingDirectory: "/effect-exec/no/such/directory",
    notExecutable: "/etc/passwd",
    user: "nobody",
    shell: true,
    python: false,
    escapes: false,
    ...facts
  })
