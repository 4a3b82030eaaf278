/** Which disks are nearly full. A program as one writes it: it knows nothing of where its command runs. */
import { Effect } from "effect"
import { Command, Exec } from "effect-exec"

/** The mount points of which at least so many percent are in use. */
export const fullDisks = (percent: number) =>
  Exec.run(Command.make("df", ["-Pk"]), { timeout: "10 seconds" }).pipe(
    // Only where it provably did not start, so that it never runs twice.
    Effect.retry({ times: 2, while: (error) => error.isRetryable }),
    Exec.orFail,
    Effect.map(({ stdout }) =>
      Array.from(stdout.matchAll(/ (\d+)% +(\/.*)$/gm), ([, used, mount = ""]) => ({ used: Number(used), mount }))
        .filter(({ used }) => used >= percent)
        .map(({ mount }) => mount)
    )
  )
