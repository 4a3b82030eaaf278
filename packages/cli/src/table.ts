/**
 * Tables for people.
 */
import { styleText } from "node:util"

/** Without what a terminal would take for an order: what somebody else chose to call his process. */
export const printable = (text: string): string =>
  text.replace(/\p{Cc}/gu, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`)

/** A head and rows, in columns; on a terminal no line is longer than that is wide. */
export const format = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const all = [head, ...rows.map((row) => row.map(printable))]
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  const width = process.stdout.isTTY ? process.stdout.columns || Infinity : Infinity
  const lines = all.map((row) => {
    const line = row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd()
    return line.length > width ? `${line.slice(0, width - 1)}…` : line
  })
  return [styleText("bold", lines[0]!, { stream: process.stdout }), ...lines.slice(1), ""].join("\n")
}
