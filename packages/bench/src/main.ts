/**
 * What ours costs, as ratios to what one would write by hand: `node src/main.ts [name …] [--rounds N] [--quick]
 * [--heap MiB]`, where `--heap 0` leaves out the benches with a large heap.
 *
 * Absolute figures are for orientation only. A ratio is the median of those of single rounds, in which all sides took
 * their turns; between the quartiles beside it lies the middle half of the rounds.
 */
import * as Os from "node:os"
import { parseArgs } from "node:util"
import type { Bench, Settings } from "./bench.ts"
import * as Block from "./block.ts"
import * as Capsule from "./capsule.ts"
import * as Collect from "./collect.ts"
import * as Command from "./command.ts"
import * as Docker from "./docker.ts"
import * as Idle from "./idle.ts"
import * as Noop from "./noop.ts"
import { print } from "./print.ts"
import * as Ring from "./ring.ts"
import * as Starts from "./starts.ts"
import * as Table from "./table.ts"
import * as Throughput from "./throughput.ts"

const benches: ReadonlyArray<Bench> = [
  Ring.bench,
  Noop.bench,
  Starts.bench,
  Block.bench,
  Throughput.bench,
  Collect.bench,
  Idle.bench,
  ...Docker.benches,
  Capsule.bench,
  Capsule.benchFar,
  Command.bench
]

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string" },
    quick: { type: "boolean", default: false },
    heap: { type: "string", default: "1024" }
  }
})

const settings: Settings = {
  rounds: Number(values.rounds ?? (values.quick ? 3 : 9)),
  scale: values.quick ? 0.25 : 1,
  heap: Number(values.heap)
}

const unknown = positionals.filter((name) => benches.every((bench) => bench.name !== name))
if (unknown.length > 0) {
  print(`There is no ${unknown.join(", ")}; there are ${benches.map(({ name }) => name).join(", ")}`)
  process.exit(2)
}

const load = () => Os.loadavg()[0]!.toFixed(1)

print(
  `Node ${process.version}, ${Os.availableParallelism()} cores, load ${load()}; ${settings.rounds} interleaved rounds\n`
)
Table.head()
let missed = 0
for (const bench of benches) {
  if (positionals.length > 0 && !positionals.includes(bench.name)) continue
  await bench.run(settings, (row) => {
    missed += Table.printRow(row)
  })
}
print(`\nload ${load()} at the end; ${missed === 0 ? "every target met" : `${missed} targets missed`}`)
