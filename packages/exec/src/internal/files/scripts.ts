/**
 * File operations as scripts for a POSIX shell, with the tools that GNU and busybox have. Paths come as arguments, and
 * begin with `/` or `./`. What goes wrong is said in the words of the C library, by the tools or by `fail`.
 */

const fail = `fail() { echo "$1" >&2; exit 1; }`
const there = `there() { [ -e "$1" ] || [ -L "$1" ]; }`
// Creates with just these bits, less what the umask was before: for modes that the tools cannot be told.
const only = `u=$(umask); only() { umask "$(printf 0%o $((0777 & ~0$1 | 0$u)))"; }`

/**
 * Stdin into a file: path, where to (`truncated`, `end`, `start`), `x` to make it, `c` where it is missing, `n` never, and
 * the octal mode. Only a shell creates exclusively everywhere, and writes to what it made whatever its mode; its words
 * for a directory that is missing, or none, are its own.
 */
export const write = `${fail}; ${there}; ${only}
new=0
case $3$4 in
x*) there "$1" && fail "File exists"; new=1 ;;
n*) stat -L "$1" >/dev/null || exit 1 ;;
c666) ;;
c*) there "$1" || new=1 ;;
esac
if [ $new = 1 ]; then
  said=$(only "$4"; set -C; {
    { [ $((0$4 & 07111)) = 0 ] || chmod "$(printf 0%o $((0$4 & ~0$u)))" "$1"; } && cat >&3
  } 2>&1 3>"$1") && exit 0
  if [ "$3" = x ] || ! there "$1" || [ "\${said%"File exists"}" = "$said" ]; then
    case $said in
    *nonexistent | *"nonexistent directory") stat "$1" >/dev/null; exit 1 ;;
    *) fail "$said" ;;
    esac
  fi
fi
case $2 in
truncated) exec dd of="$1" bs=65536 status=none ;;
end) exec dd of="$1" bs=65536 oflag=append conv=notrunc status=none ;;
start) exec dd of="$1" bs=65536 conv=notrunc status=none ;;
esac`

/** Path, and 1 or 0 for readable and writable. */
export const access = `${fail}
stat -L "$1" >/dev/null || exit 1
[ "$2" = 0 ] || [ -r "$1" ] || fail "Permission denied"
[ "$3" = 0 ] || [ -w "$1" ] || fail "Permission denied"`

/** Path, octal mode, 1 for recursive. */
export const makeDirectory = `${only}
[ "$3" = 1 ] && [ -d "$1" ] && exit 0
only "$2"
case $3 in 1) mkdir -p "$1" ;; *) mkdir "$1" ;; esac || exit 1
[ $((0$2 & 01000)) = 0 ] || exec chmod +t "$1"`

/** Directory, which may be empty, and name; gives the path. */
export const makeTempDirectory = `d=\${1:-\${TMPDIR:-/tmp}}
umask 077
mkdir "\${d%/}/$2" && printf %s "\${d%/}/$2"`

/** Path, and 1 or 0 for recursive and force. */
export const remove = `${fail}
said=$(stat "$1" 2>&1 >/dev/null) || {
  case "$3$said" in 1*"No such file or directory") exit 0 ;; esac
  fail "$said"
}
[ "$2" = 0 ] && [ -d "$1" ] && [ ! -L "$1" ] && fail "Is a directory"
exec rm -rf "$1"`

/** From, to. */
export const copyFile = `${fail}
stat -L "$1" >/dev/null || exit 1
{ [ -d "$1" ] || [ -d "$2" ]; } && fail "Is a directory"
[ "$1" -ef "$2" ] && exit 0
cp "$1" "$2" && exec chmod "0$(stat -L -c %a "$1")" "$2"`

/**
 * From, to, the directory that this is in, and 1 or 0 for overwrite and timestamps. With no umask the copies have
 * the permissions of what they are copies of; what is to be overwritten is removed first, for else it would keep its own.
 */
export const copy = `${fail}; ${there}
stat "$1" >/dev/null || exit 1
[ "$1" -ef "$2" ] && fail "Invalid argument"
[ -d "$1" ] && [ ! -L "$1" ] && tree=1 || tree=0
there "$2" && [ -d "$2" ] && into=1 || into=0
if [ $tree = 1 ]; then
  there "$2" && [ $into = 0 ] && fail "Invalid argument"
else
  [ $into = 1 ] && fail "Invalid argument"
  there "$2" && { [ "$4" = 1 ] || exit 0; rm -f "$2" || exit 1; }
fi
mkdir -p "$3" || exit 1
umask 0
case $5 in 1) p=-p ;; *) p= ;; esac
[ $tree$into = 11 ] || exec cp -R -P $p "$1" "$2"
exec find "$1/" -mindepth 1 -exec sh -c 'from=$1 to=$2 overwrite=$3 p=$4; shift 4
for f; do
  t=$to\${f#"$from"}
  if [ -d "$f" ] && [ ! -L "$f" ] || [ $overwrite = 0 ] || [ -d "$t" ]; then :; else rm -f "$t" || exit 1; fi
  [ -e "$t" ] || [ -L "$t" ] || cp -R -P $p "$f" "$t" || exit 1
done' sh "$1/" "$2/" "$4" "$p" {} +`

/** Target, path. */
export const symlink = `${fail}; ${there}
there "$2" && fail "File exists"
exec ln -s -- "$1" "$2"`

/** Existing, path. */
export const link = `${fail}; ${there}
there "$2" && fail "File exists"
exec ln "$1" "$2"`

/** Path; gives just the target. */
export const readLink = `${fail}
[ -L "$1" ] || { stat "$1" >/dev/null && fail "Invalid argument"; exit 1; }
exec readlink -n "$1"`

/** Path; gives one line. */
export const realPath = `stat -L "$1" >/dev/null && exec realpath "$1"`

/** Path, then seconds and the fraction of them, of access and of modification. Busybox knows no fractions. */
export const utimes = `stat -L "$1" >/dev/null || exit 1
at() { touch -c "$1" -d "@$3.$4" "$2" 2>/dev/null || touch -c "$1" -d "@$3" "$2"; }
at -a "$1" "$2" "$3" && at -m "$1" "$4" "$5"`

/** Path, bytes. */
export const truncate = `stat -L "$1" >/dev/null && exec truncate -c -s "$2" "$1"`
