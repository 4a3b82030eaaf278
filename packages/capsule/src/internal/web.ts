/**
 * The few globals that this package uses beyond the language, each in every browser and JavaScript server. Listed by hand
 * because it compiles without the types of any platform, which keeps it free of all the others.
 */

/** The WebSocket of browsers, and `ws`. */
export interface WebSocketLike {
  binaryType: string
  readonly protocol: string
  readonly send: (data: string | Uint8Array<ArrayBuffer>) => void
  readonly close: (code?: number, reason?: string) => void
  readonly addEventListener: (type: string, listener: (event: never) => void) => void
  /** Only `ws` can let go of a socket without the other side. */
  readonly terminate?: () => void
}

export interface Web {
  readonly WebSocket: new (url: string, protocols: ReadonlyArray<string>) => WebSocketLike
  readonly TextDecoder: new (encoding: "utf-8" | "latin1") => { decode(bytes: Uint8Array): string }
  readonly TextEncoder: new () => { encode(text: string): Uint8Array<ArrayBuffer> }
  readonly setTimeout: (callback: () => void, milliseconds: number) => unknown
  readonly clearTimeout: (handle: unknown) => void
  readonly performance: { now(): number }
  readonly crypto: { getRandomValues(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> }
}

export const web = globalThis as unknown as Web
