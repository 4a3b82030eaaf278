/**
 * What a command in a container starts with.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { DockerClient } from "../DockerClient.ts"
import { readFile } from "./archive.ts"

/** The search path where an image says none, as the engine has it. */
const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/** `NAME=value` texts as a record. */
export const parse = (env: ReadonlyArray<string>): Record<string, string> => ({
  PATH: path,
  ...Object.fromEntries(
    env.map((text) => {
      const at = text.indexOf("=")
      return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)]
    })
  )
})

/** A line of `/etc/passwd`. */
export interface User {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}

const userOf = (line: string): ReadonlyArray<User> => {
  const [name = "", , uid = "", gid = "", , home = ""] = line.split(":")
  return /^\d+$/.test(uid) && /^\d+$/.test(gid) ? [{ name, uid: Number(uid), gid: Number(gid), home }] : []
}

/** The users of a container; none where it has no `/etc/passwd`. */
export const users = (client: DockerClient, id: string): Effect.Effect<ReadonlyArray<User>> =>
  Stream.runCollect(readFile(client, id, "/etc/passwd")).pipe(
    Effect.map((chunks) => Buffer.concat(chunks).toString().split("\n").flatMap(userOf)),
    Effect.orElseSucceed(() => [])
  )

/** A user as the engine's `user[:group]` means it. */
export const find = (all: ReadonlyArray<User>, user: string): User | undefined => {
  const [name = "", group] = (user === "" ? "root" : user).split(":")
  const known = all.find((one) => one.name === name || String(one.uid) === name)
  const uid = /^\d+$/.test(name) ? Number(name) : name === "root" ? 0 : undefined
  const found =
    known ?? (uid === undefined ? undefined : { name, uid, gid: uid === 0 ? 0 : uid, home: uid === 0 ? "/root" : "/" })
  return found === undefined || group === undefined || !/^\d+$/.test(group) ? found : { ...found, gid: Number(group) }
}
