/**
 * Who a client is, by what it shows.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import * as Redacted from "effect/Redacted"

/** What clients have to show: one token, or several of which each has a name. */
export type Auth = Redacted.Redacted<string> | Readonly<Record<string, Redacted.Redacted<string>>>

/** The name of whoever shows this; `undefined` when he is nobody that is known. */
export type Identify = (shown: string | undefined) => string | undefined

// Of equal length, or their comparison would tell how much of a guess was right.
const digest = (text: string) => createHash("sha256").update(text).digest()

/** The keys by name. */
export const keysOf = (auth: Auth): ReadonlyArray<readonly [name: string, key: Redacted.Redacted<string>]> =>
  Redacted.isRedacted(auth) ? [["client", auth]] : Object.entries(auth)

/** Compares with every key, so that the time it takes tells nothing of any of them. Without keys everybody is known. */
export const make = (auth: Auth | undefined): Identify => {
  if (auth === undefined) return () => "anyone"
  const keys = keysOf(auth).map(([name, key]) => [name, digest(Redacted.value(key))] as const)
  return (shown) => {
    if (shown === undefined) return undefined
    const given = digest(shown)
    let found: string | undefined
    for (const [name, expected] of keys) {
      if (timingSafeEqual(given, expected)) found = name
    }
    return found
  }
}

/** What a request shows: a bearer token, or an API key. */
export const shownBy = (headers: {
  readonly authorization?: string | undefined
  readonly [name: string]: string | ReadonlyArray<string> | undefined
}): string | undefined => {
  const bearer = /^Bearer (.+)$/i.exec(headers.authorization ?? "")?.[1]
  return bearer ?? headers["x-api-key"]?.toString()
}
