#!/bin/sh
# The images of the tests, imported into the local engine: nothing has to be pulled. What takes long is kept in a cache
# folder of the user's.
#
#   effect-exec-test/busybox:1   busybox, static, and nothing else
#   effect-exec-test/static:1    no shell in any usual place: one static program, busybox, under another name
#   effect-exec-test/debian:1    a minimal Debian
set -eu
cache=${XDG_CACHE_HOME:-$HOME/.cache}/effect-exec
mkdir -p "$cache"
# Files of tests that run at the same time all want them; the first makes them.
exec 9>"$cache/lock"
! command -v flock >/dev/null || flock 9

has() { docker image inspect "$1" >/dev/null 2>&1; }

# Not `command -v`: a shell that is busybox itself takes its applets for commands.
find_program() { find /bin /usr/bin /sbin /usr/sbin -maxdepth 1 -name "$1" 2>/dev/null | head -n 1; }

need() { # program, package
  [ -n "$(find_program "$1")" ] || apt-get install -y --no-install-recommends "$2" >/dev/null
}

# root, for all images: users, and the directories that the engine mounts on.
base() {
  mkdir -p "$1/etc" "$1/tmp" "$1/root" "$1/usr" "$1/proc" "$1/sys" "$1/dev"
  chmod 1777 "$1/tmp"
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$1/etc/passwd"
  printf 'root:x:0:\nnobody:x:65534:\n' >"$1/etc/group"
}

import() { # image, root
  tar -C "$2" -c . | docker import - "$1" >/dev/null
}

busybox() { # root, directory in it
  base "$1"
  mkdir -p "$1$2"
  cp "$(find_program busybox)" "$1$2/busybox"
  "$1$2/busybox" --list | while read -r applet; do
    [ "$applet" = busybox ] || ln -s busybox "$1$2/$applet"
  done
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! has effect-exec-test/busybox:1; then
  need busybox busybox-static
  busybox "$work/busybox" /bin
  import effect-exec-test/busybox:1 "$work/busybox"
fi

if ! has effect-exec-test/static:1; then
  need busybox busybox-static
  busybox "$work/static" /opt/fixtures
  import effect-exec-test/static:1 "$work/static"
fi

if [ "${1:-}" != small ] && ! has effect-exec-test/debian:1; then
  if [ ! -f "$cache/debian.tar" ]; then
    need debootstrap debootstrap
    debootstrap --variant=minbase bookworm "$work/debian" >"$work/log" 2>&1 || { tail "$work/log"; exit 1; }
    tar -C "$work/debian" -cf "$cache/debian.tar.part" .
    mv "$cache/debian.tar.part" "$cache/debian.tar"
  fi
  docker import "$cache/debian.tar" effect-exec-test/debian:1 >/dev/null
fi
