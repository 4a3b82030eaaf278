/** Serve any `Exec` as a capsule. */
export * as CapsuleServer from "./CapsuleServer.ts"
