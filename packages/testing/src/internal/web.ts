/**
 * The few globals that this package uses beyond the language. Listed here by hand because it compiles without the types
 * of any platform, so that a suite also runs where there is no Node.
 */
interface Web {
  readonly TextDecoder: new () => { decode(bytes: Uint8Array): string }
  readonly TextEncoder: new () => { encode(text: string): Uint8Array }
  readonly setTimeout: (callback: () => void, milliseconds: number) => unknown
  readonly clearTimeout: (timer: unknown) => void
  /** Node, Deno and Bun have it; where it is absent, tests of memory are left out. */
  readonly process?: { readonly memoryUsage?: { readonly rss?: () => number } }
}

const web = globalThis as unknown as Web
const encoder = new web.TextEncoder()
const decoder = new web.TextDecoder()

/** Text as bytes. */
export const encode = (text: string): Uint8Array => encoder.encode(text)

/** Bytes as text. */
export const decode = (bytes: Uint8Array): string => decoder.decode(bytes)

/** The memory that this process occupies, in bytes, where one can know it. */
export const residentMemory = (): number | undefined => web.process?.memoryUsage?.rss?.()

/** Calls back in another turn of the event loop. */
export const setTimer = (callback: () => void): unknown => web.setTimeout(callback, 0)

/** Does not call back after all. */
export const clearTimer = (timer: unknown): void => web.clearTimeout(timer)
