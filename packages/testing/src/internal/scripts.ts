/**
 * The programs of the suite for a POSIX shell. They run with dash, busybox and bash alike, and need few tools beside.
 */
import type { Name } from "../Fixtures.ts"

// A shell runs a trap only once `wait` returns; short sleeps bound the delay where an old shell misses the wake-up.
const rest = "n=0; while [ $n -lt 300 ]; do sleep 1 & p=$!; wait $p; n=$((n + 1)); done"

const hash = `hash() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum; else shasum -a 256; fi
}`

const newSession = `new_session() {
  if command -v setsid >/dev/null 2>&1; then setsid "$@"
  else perl -MPOSIX -e 'POSIX::setsid(); exec @ARGV' "$@"; fi
}`

/** The programs of the suite for a POSIX shell; their arguments are `$1`, `$2` … */
export const scripts: Readonly<Record<Name, string>> = {
  echo: String.raw`printf '%s\0' "$@"`,
  env: `eval "[ \\"\\\${$1+set}\\" = set ] || exit 1; printf %s \\"\\$$1\\""`,
  pwd: "pwd -P",
  whoami: "id -un",
  cat: "exec cat",
  sha256: `${hash}; hash`,
  write: `case $1 in 1) printf %b "$2" ;; 2) printf %b "$2" >&2 ;; esac`,
  numbers: `case $2 in
1) exec seq 1 "$1" ;;
2) exec seq 1 "$1" >&2 ;;
both)
  i=0
  while [ $i -lt "$1" ]; do
    seq $((i + 1)) $((i + 500)); seq $((i + 501)) $((i + 1000)) >&2
    i=$((i + 1000))
  done ;;
esac`,
  // Through a file: where the output is a socket, it has no path that \`tee\` could open a second time. Without a name it
  // goes with the script, however that ends.
  random: `${hash}
t=$(mktemp) || exit 9
exec 3>"$t" 4<"$t" 5<"$t"
rm "$t"
head -c "$1" /dev/urandom >&3
case $2 in
1) cat <&4; hash <&5 >&2 ;;
2) cat <&4 >&2; hash <&5 ;;
esac`,
  flood: "case $1 in 1) exec yes ;; 2) exec yes >&2 ;; esac",
  exit: `exit "$1"`,
  killSelf: `kill -s "$1" $$; exit 99`,
  hang: "echo READY; exec sleep 300",
  ignoreTerm: "trap '' TERM; echo READY; exec sleep 300",
  graceful: `c=$1; trap 'kill $p 2>/dev/null; echo TERM; exit $c' TERM; echo READY; ${rest}`,
  signals: `for s in "$@"; do trap "kill \\$p 2>/dev/null; echo GOT $s" "$s"; done; echo READY; ${rest}`,
  // What \`$!\` names exists from the fork on, so that the pids are known before the leader goes on.
  tree: `${newSession}
echo "PID $$"
case $1 in
children) sh -c 'sleep 300 & echo "PID $!"; echo "PID $$"; wait' & ;;
stubborn) sh -c 'trap "" TERM; sleep 300 & echo "PID $!"; echo "PID $$"; wait' & ;;
background) sh -c 'sleep 300 & echo "PID $!"' ;;
session) new_session sh -c 'echo "PID $$"; exec sleep 300' & ;;
orphan) new_session sh -c 'sleep 300 & echo "PID $!"' ;;
envless) s=$(command -v sleep); new_session env -i /bin/sh -c "$s 300 & echo \\"PID \\$!\\"" ;;
esac
case $2 in exits) echo hi; exit 0 ;; esac
exec sleep 300`,
  late: `(sleep 1; echo late) & echo "PID $!"; echo early; exit 0`,
  deaf: `exit "$1"`,
  closeStdin: "exec 0<&-; echo READY; exec sleep 300",
  closeOutput: `echo READY; exec >&- 2>&-; while read -r _; do :; done; exit "$1"`,
  // Each one starts the next and exits. Three chains at a time are never more than a few processes.
  storm: `hop='[ "$1" -gt 0 ] && { sh -c "$0" "$0" $(($1 - 1)) & }'
for chain in 1 2 3; do sh -c "$hop" "$hop" 4000 & done
echo READY; exec sleep 300`,
  puppet: `while IFS= read -r line; do
  case $line in
  'out '*) printf %b "\${line#out }" ;;
  'err '*) printf %b "\${line#err }" >&2 ;;
  'exit '*) exit "\${line#exit }" ;;
  esac
done`,
  terminal: `if test -t 0 && test -t 1; then echo tty; else echo no tty; fi
trap 'stty size' WINCH; stty size; echo READY; ${rest}`,
  alive: `for p in "$@"; do
  if [ -r /proc/self/stat ]; then s=$(cat "/proc/$p/stat" 2>/dev/null) || continue; s=\${s##*) }
  else s=$(ps -o stat= -p "$p") || continue; fi
  case $s in Z*|X*|'') ;; *) echo "$p" ;; esac
done`,
  kill: `kill -s KILL "$@" 2>/dev/null; exit 0`,
  // In lines first: for the grep of busybox a text ends at its first NUL, and so at the first variable.
  survivors: `for f in /proc/[0-9]*/environ; do
  echo; echo "@\${f%/environ}"; cat "$f" 2>/dev/null
done | tr '\\0' '\\n' | awk -v mark="$1" '/^@\\/proc\\//{p=substr($0,8)} index($0,mark)&&p!=last{print p;last=p}'`
}
