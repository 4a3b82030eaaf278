/**
 * How far two commands are from each other, in a number and in words.
 */
import { show } from "./matching.ts"

/** From 0, the same, to 1, nothing in common: how much of a text has to be changed to get another one. */
const textDistance = (a: string, b: string): number => {
  // Two long arguments that differ are just that; comparing them in full would take as long as their product.
  const most = 200
  return a === b ? 0 : a.length > most || b.length > most ? 1 : edits(Array.from(a), Array.from(b), () => 1)
}

/** The same of two lists of words, where similar words count as similar. */
export const distance = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): number => edits(a, b, textDistance)

const edits = (a: ReadonlyArray<string>, b: ReadonlyArray<string>, cost: (a: string, b: string) => number): number => {
  let row = b.map((_, index) => index + 1)
  for (const [i, word] of a.entries()) {
    let diagonal = i
    let left = i + 1
    row = b.map((other, j) => {
      const above = row[j]!
      left = Math.min(left + 1, above + 1, diagonal + (word === other ? 0 : cost(word, other)))
      diagonal = above
      return left
    })
  }
  return (row.at(-1) ?? a.length) / Math.max(1, a.length, b.length)
}

/** What is different in a command, compared with what it could have been. */
export const differences = (actual: ReadonlyArray<string>, expected: ReadonlyArray<string>): string => {
  const words = expected.flatMap((word, index) => {
    const other = actual[index]
    return other === word || other === undefined
      ? []
      : [`argv[${index}] is ${show([other])} instead of ${show([word])}`]
  })
  const missing = expected.slice(actual.length)
  const more = actual.slice(expected.length)
  return [
    ...words,
    ...(missing.length > 0 ? [`${show(missing)} is missing at its end`] : []),
    ...(more.length > 0 ? [`${show(more)} is too much at its end`] : [])
  ].join(", ")
}
