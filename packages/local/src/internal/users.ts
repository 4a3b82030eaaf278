/**
 * Users and groups by name or number, from `/etc/passwd` and `/etc/group`. Users that only a directory service knows
 * are not found here; they can be given as numbers, `uid:gid`.
 */
import * as Fs from "node:fs"

export interface Ids {
  readonly uid: number
  readonly gid: number
}

const entries = (path: string): ReadonlyArray<ReadonlyArray<string>> => {
  try {
    return Fs.readFileSync(path, "utf8")
      .split("\n")
      .map((line) => line.split(":"))
  } catch {
    return []
  }
}

// The largest one means "unchanged" to the kernel: it would keep this process's own, root's.
const number = (text: string): number | undefined =>
  /^\d{1,10}$/.test(text) && Number(text) < 0xffff_ffff ? Number(text) : undefined

/**
 * Reads `name`, `uid`, `name:group` or `uid:gid`; `undefined` when one of them is unknown. A number without an entry
 * needs its group to be named, as there is none of its own, and root's would be the wrong one to fall back to.
 */
export const find = (user: string, files = { passwd: "/etc/passwd", group: "/etc/group" }): Ids | undefined => {
  const [who = "", group, ...rest] = user.split(":")
  if (rest.length > 0 || who === "" || group === "") return undefined
  // A name may consist of digits; then it is the name that counts, as for `chown`.
  const users = entries(files.passwd)
  const entry = users.find(([name]) => name === who) ?? users.find(([, , uid]) => Number(uid) === number(who))
  const uid = number(entry?.[2] ?? who)
  const gid = number(
    group === undefined ? (entry?.[3] ?? "") : (entries(files.group).find(([name]) => name === group)?.[2] ?? group)
  )
  return uid === undefined || gid === undefined ? undefined : { uid, gid }
}
