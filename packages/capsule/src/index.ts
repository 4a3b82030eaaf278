/** Run commands on a remote capsule, many at a time over one WebSocket. */
export * as CapsuleExec from "./CapsuleExec.ts"
export type * as Connection from "./Connection.ts"
