/**
 * The few globals that the client uses beyond the language, each in every browser and JavaScript server. Listed here by
 * hand because the client compiles without the types of any platform, which keeps it free of all the others.
 */
export interface Web {
  readonly TextEncoder: new () => {
    encode(text: string): Uint8Array<ArrayBuffer>
    encodeInto(text: string, into: Uint8Array): { readonly read: number; readonly written: number }
  }
  readonly TextDecoder: new (encoding: "utf-8") => { decode(bytes: Uint8Array): string }
  readonly setTimeout: (callback: () => void, milliseconds: number) => unknown
  readonly clearTimeout: (handle: unknown) => void
  readonly performance: { now(): number }
  readonly queueMicrotask: (callback: () => void) => void
}

export const web = globalThis as unknown as Web
