/**
 * The table: a line for each row and each of ours, printed as soon as it is known.
 */
import type { Bound, Row, Series } from "./bench.ts"
import { print } from "./print.ts"
import { median, quantile, ratios } from "./statistics.ts"

const number = (value: number): string => {
  const size = Math.abs(value)
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(size >= 0.1 ? 2 : 3)
}

const widths = [46, 10, 11, 11, 20, 8, 9]

const line = (cells: ReadonlyArray<string>): string =>
  cells.map((cell, index) => (index === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[index] ?? 0))).join(" ")

export const head = (): void =>
  print(line(["path", "variant", "ours", "raw", "ratio (quartiles)", "target", "verdict", "  peers' ratios"]))

const compared = (own: Series, { base, of = "ratio" }: Row): ReadonlyArray<number> =>
  of === "ratio" ? ratios(own.values, base.values) : own.values.map((value, round) => value - base.values[round]!)

const isMet = (value: number, bound: Bound): boolean =>
  "atLeast" in bound ? value >= bound.atLeast : value <= bound.atMost

const formatBound = (bound: Bound): string => ("atLeast" in bound ? `≥ ${bound.atLeast}` : `≤ ${bound.atMost}`)

/** Prints a row. How many of ours missed what is asked of them. */
export const printRow = (row: Row): number => {
  let missed = 0
  for (const own of row.ours) {
    const values = compared(own, row)
    const bound = row.targets?.[own.subject]
    const isGood = bound === undefined || isMet(median(values), bound)
    if (!isGood) missed++
    const spread = `(${number(quantile(values, 0.25))}–${number(quantile(values, 0.75))})`
    print(
      line([
        `${row.path}, ${row.unit}`,
        own.subject,
        number(median(own.values)),
        number(median(row.base.values)),
        `${number(median(values))} ${spread}`,
        bound === undefined ? "" : formatBound(bound),
        bound === undefined ? "" : isGood ? "met" : "missed",
        `  ${row.peers.map((peer) => `${peer.subject} ${number(median(compared(peer, row)))}`).join(", ")}`
      ])
    )
  }
  return missed
}
