/** Run commands on a remote capsule, many at a time over one WebSocket. */
export * as Capsule from "./Capsule.ts"
export * as CapsuleClient from "./CapsuleClient.ts"
export * as CapsuleExec from "./CapsuleExec.ts"
export * as CapsuleInfo from "./CapsuleInfo.ts"
export type * as Connection from "./Connection.ts"
export * as WrennExec from "./WrennExec.ts"
