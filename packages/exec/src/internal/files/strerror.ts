/**
 * From what a POSIX tool says when a system call failed to the name of the error: the tools have no other way to tell.
 * In the C locale, which the commands run in, GNU, busybox and the shells have these words, of glibc or of musl.
 */

const words: ReadonlyArray<readonly [code: string, end: RegExp]> = [
  ["ENOENT", /No such file or directory$/],
  ["ENOTDIR", /Not a directory$|cannot overwrite non-directory '.*' with directory '.*'$/s],
  ["EISDIR", /[Ii]s a directory$|cannot overwrite directory '.*' with non-directory$/s],
  ["EEXIST", /File exists$/],
  ["EACCES", /Permission denied$/],
  ["EPERM", /Operation not permitted$|hard link not allowed for directory$/],
  ["ELOOP", /Too many levels of symbolic links$|Symbolic link loop$/],
  ["ENOTEMPTY", /Directory not empty$/],
  ["EBUSY", /(Device or resource|Resource) busy$/],
  ["EROFS", /Read-only file system$/],
  ["ENOSPC", /No space left on device$/],
  ["EDQUOT", /(Disk q|Q)uota exceeded$/],
  ["EFBIG", /File too large$/],
  ["ENAMETOOLONG", /(File name|Filename) too long$/],
  ["EXDEV", /(Invalid cross|Cross)-device link$/],
  ["EINVAL", /Invalid argument$/],
  ["EBADF", /Bad file descriptor$/],
  ["ETXTBSY", /Text file busy$/],
  ["EMLINK", /Too many links$/],
  ["EIO", /(Input\/output|I\/O) error$/],
  ["ENOTSUP", /(Operation not|Not) supported$/]
]

/** The error that the last words of a tool name; `undefined` when they name none. */
export const codeOf = (stderr: string): string | undefined => {
  const said = stderr.trimEnd()
  return words.find(([, end]) => end.test(said))?.[0]
}
