/** Run commands on this machine. */
export * as LocalExec from "./LocalExec.ts"
