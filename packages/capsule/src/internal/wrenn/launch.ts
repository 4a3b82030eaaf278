/**
 * A command as `exec/stream` can carry it, which has nothing but an argv: a shell that sets up what is missing, says how
 * that went, and becomes the command.
 */
import * as Redacted from "effect/Redacted"
import type { Command } from "effect-exec/Command"
import * as ExecError from "effect-exec/ExecError"
import { web } from "../web.ts"

// `$1` marks its word from all others, which comes first on stderr. `$2` is the directory, `$3` the PATH to look on, `$4`
// the program; the rest is what it becomes. In a session of its own, so that its tree can be told from its neighbours.
const script = `set -f
mark=$1 directory=$2 path=$3 program=$4
shift 4
say() { printf '\\001%s %s\\n' "$mark" "$1" >&2; }
no() { say "$1"; exit 126; }
[ -z "$directory" ] || cd "$directory" 2>/dev/null || no directory
case $program in
*/*) [ -e "$program" ] || no missing; [ ! -d "$program" ] && [ -x "$program" ] || no denied ;;
*)
  found=missing IFS=:
  for p in \${path:-$PATH}; do
    [ -f "\${p:-.}/$program" ] || continue
    [ -x "\${p:-.}/$program" ] && { found=; break; }
    found=denied
  done
  unset IFS
  [ -z "$found" ] || no "$found" ;;
esac
stat=
read -r stat 2>/dev/null </proc/$$/stat
stat=\${stat##*) }; stat=\${stat#* }; stat=\${stat#* }
if [ "\${stat%% *}" != $$ ] && command -v setsid >/dev/null 2>&1; then say ok; exec setsid "$@"; fi
say ok
exec "$@"`

const clear = (value: string | Redacted.Redacted<string>): string =>
  Redacted.isRedacted(value) ? Redacted.value(value) : value

/** The environment of a command, as arguments of `env`; none where it changes nothing. */
export const envArgs = ({ env = {}, extendEnv = true }: Command): ReadonlyArray<string> => {
  const args: Array<string> = extendEnv ? [] : ["-i"]
  const set: Array<string> = []
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined) set.push(`${name}=${clear(value)}`)
    else if (extendEnv) args.push("-u", name)
  }
  const all = [...args, ...set]
  return all.length === 0 ? [] : ["env", ...all]
}

/** The part of an environment that the API itself can carry; `undefined` where there is more to it. */
export const plainEnv = ({ env = {}, extendEnv = true }: Command): Record<string, string> | undefined => {
  const all: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) return undefined
    all[name] = clear(value)
  }
  return extendEnv ? all : undefined
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/** The command that starts a command, and says on stderr behind this mark how that went. */
export const wrap = (
  command: Command,
  mark: string
): { readonly cmd: string; readonly args: ReadonlyArray<string> } => {
  const [program] = command.argv
  const path = command.env?.["PATH"]
  const { cwd = "" } = command
  return {
    cmd: "/bin/sh",
    args: [
      "-c",
      script,
      "sh",
      mark,
      // What begins with a dash is no option, and `-` not the directory before.
      cwd.startsWith("-") ? `./${cwd}` : cwd,
      path !== undefined ? clear(path) : command.extendEnv === false ? defaultPath : "",
      program,
      ...envArgs(command),
      ...command.argv
    ]
  }
}

// One character for each byte, so that what is found in the text is found in the bytes.
const bytewise = new web.TextDecoder("latin1")

/** What the mark says, once it is whole: what went wrong, and what came beside it. */
export const outcome = (
  stderr: Uint8Array,
  mark: string,
  { argv: [program], cwd = "" }: Command
): { readonly error: ExecError.ExecError | undefined; readonly rest: ReadonlyArray<Uint8Array> } | undefined => {
  const text = bytewise.decode(stderr)
  const start = `\x01${mark} `
  const from = text.indexOf(start)
  const to = text.indexOf("\n", from)
  if (from < 0 || to < 0) return undefined
  const rest = [stderr.slice(0, from), stderr.slice(to + 1)].filter(({ length }) => length > 0)
  switch (text.slice(from + start.length, to)) {
    case "directory":
      return { error: ExecError.make(new ExecError.CwdNotFound({ cwd })), rest }
    case "missing":
      return { error: ExecError.make(new ExecError.CommandNotFound({ program })), rest }
    case "denied":
      return { error: ExecError.make(new ExecError.PermissionDenied({ program })), rest }
    default:
      return { error: undefined, rest }
  }
}
