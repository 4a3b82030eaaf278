/**
 * Looking at a program and a directory as the kernel did, to say why it would not start. The kernel has one word,
 * ENOENT, for a missing program, a missing directory and a script whose interpreter is missing.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"

/** Why nothing can start in this directory: `ENOENT`, `ENOTDIR`, `EACCES` …, or `undefined` when something can. */
export const directoryProblem = (cwd: string): string | undefined => {
  try {
    if (!Fs.statSync(cwd).isDirectory()) return "ENOTDIR"
    Fs.accessSync(cwd, Fs.constants.X_OK)
    return undefined
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code ?? "ENOENT"
  }
}

// What the C library searches where PATH is not set.
const defaultPath = "/bin:/usr/bin"

const isThere = (path: string): boolean => {
  try {
    // Not a directory of this name: in a PATH it is passed over.
    return !Fs.statSync(path).isDirectory()
  } catch {
    return false
  }
}

/** A path as seen from a directory; `undefined` is where this process is, which may have been removed meanwhile. */
export const from = (directory: string | undefined, path: string): string =>
  Path.isAbsolute(path) ? path : Path.join(directory ?? "", path)

/** The file that a program's name leads to, whether it may be executed or not; searched on the command's own PATH. */
export const programFile = (program: string, path: string | undefined, cwd: string | undefined): string | undefined =>
  program.includes("/")
    ? [from(cwd, program)].find((file) => Fs.existsSync(file))
    : (path ?? defaultPath)
        .split(":")
        .map((part) => from(cwd, Path.join(part, program)))
        .find(isThere)

/** Why a file that is there cannot be found when it is executed: something that it needs in turn is missing. */
export const missingInterpreter = (file: string): string => {
  const head = Buffer.alloc(256)
  try {
    const fd = Fs.openSync(file, "r")
    try {
      Fs.readSync(fd, head, 0, head.length, 0)
    } finally {
      Fs.closeSync(fd)
    }
  } catch {
    return `${file} exists, but something that it needs to start does not`
  }
  const interpreter = /^#![ \t]*([^\s\0]+)/.exec(head.toString("latin1"))?.[1]
  return interpreter === undefined
    ? `${file} exists, but the dynamic loader that it needs does not; it was built for another system`
    : `${file} exists, but its interpreter ${interpreter} does not`
}
