/**
 * The few globals that core uses beyond the language, each in every browser and JavaScript server. Listed here by hand
 * because core compiles without the types of any platform, which keeps it free of all the others.
 */
export interface Decoder {
  decode(bytes?: Uint8Array, options?: { readonly stream?: boolean }): string
}

export interface Web {
  readonly TextDecoder: new (encoding: "utf-8", options?: { readonly ignoreBOM?: boolean }) => Decoder
  readonly TextEncoder: new () => { encode(text: string): Uint8Array<ArrayBuffer> }
  readonly setTimeout: (callback: () => void, milliseconds: number) => unknown
  readonly clearTimeout: (handle: unknown) => void
}

export const web = globalThis as unknown as Web
