/**
 * Every route of Wrenn's API that is answered over HTTP.
 */
import type { Limits } from "../../Limits.ts"
import type { Capsules } from "../capsules.ts"
import * as commands from "./commands.ts"
import * as files from "./files.ts"
import * as lifecycle from "./lifecycle.ts"

/** Whether a request is one of this API's. */
export const isWrenn = (url: string): boolean => url.startsWith("/v1/")

export const routes = (capsules: Capsules, limits: Limits) => [
  ...lifecycle.routes(capsules, limits),
  ...commands.routes(capsules, limits),
  ...files.routes(capsules, limits)
]
