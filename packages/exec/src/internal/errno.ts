/**
 * From the kernel's name of an error to the reason that `effect` has for it: the same as on its own platforms.
 */
import type { SystemErrorTag } from "effect/PlatformError"

const tags: Readonly<Record<string, SystemErrorTag>> = {
  ENOENT: "NotFound",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EEXIST: "AlreadyExists",
  EISDIR: "BadResource",
  ENOTDIR: "BadResource",
  ELOOP: "BadResource",
  EBUSY: "Busy"
}

/** The reason for an error's name. */
export const tagOf = (code: string | undefined): SystemErrorTag => tags[code ?? ""] ?? "Unknown"
