/** A backend from an agent at the other end of a pipe. */
export * as Agent from "./Agent.ts"
export type * as Pipe from "./Pipe.ts"
