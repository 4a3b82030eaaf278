/**
 * From where requests may come: what stops a page of somebody else's, in a browser that can reach this server, from using it.
 */

/** What a request says of where it comes from. */
type Headers = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

export interface Origins {
  readonly allows: (origin: string) => boolean
  /** What is wrong with where a request comes from, if anything is. */
  readonly problem: (headers: Headers) => string | undefined
}

const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i

/** Whether only this machine reaches it. */
export const isLoopback = (host: string): boolean => /^(127\.\d+\.\d+\.\d+|::1|localhost|\/.*)$/.test(host)

/**
 * Browsers say the Origin of a page with every request that does something, and with every WebSocket; it has to be one of
 * the list, exactly. Other clients say none.
 *
 * `isOpen` where no token is asked for. Then a page under a name that its owner lets point to 127.0.0.1 would count as this
 * server's own, for which browsers say no Origin when they only read: the name has to be one of this machine's.
 */
export const make = (allowed: ReadonlyArray<string>, isOpen: boolean): Origins => {
  const set = new Set(allowed)
  return {
    allows: (origin) => set.has(origin),
    problem: ({ host, origin }) => {
      if (origin !== undefined && !set.has(String(origin))) return "this Origin is not on the server's list"
      if (isOpen && host !== undefined && !loopback.test(String(host))) return "this Host is not the server's"
      return undefined
    }
  }
}
