#!/bin/sh
# Builds the agent for linux x64 and arm64, static, reproducibly. The results are committed (packages/agent/bin), because
# whoever installs the package has neither compiler; this script is how anybody can check that they are what they claim to be.
#
#   build.sh             builds both into ../bin, with SHA256SUMS and BUILD.md
#   build.sh --check     builds both into a temporary folder and compares with what is committed
#   build.sh --sanitize  builds .cache/agent-sanitized (AddressSanitizer, UBSan) and .cache/vectors, for the tests
set -eu
cd "$(dirname "$0")"
cache=$PWD/.cache
bin=$PWD/../bin

warnings="-Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef -Wcast-qual"
common="-std=c11 -D_GNU_SOURCE $warnings"
# The same bytes wherever it is built: no paths, no build id, no compiler name, sources in one order.
release="$common -Os -ffunction-sections -fdata-sections -fno-ident -ffile-prefix-map=$PWD=. -fno-pie"
link="-static -no-pie -s -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,noexecstack"
sources=$(cd src && LC_ALL=C ls *.c)

need() { # command package
  command -v "$1" >/dev/null && return
  [ "$(id -u)" = 0 ] || { echo "build.sh: '$1' is missing; install the Debian package $2" >&2; exit 1; }
  echo "build.sh: installing $2" >&2
  apt-get install -y --no-install-recommends "$2" >&2
}

# musl for arm64 out of Debian's package of that architecture; nothing is installed, it is only unpacked.
arm64_musl() {
  root=$cache/musl-arm64
  [ -f "$root/done" ] && return
  rm -rf "$root" && mkdir -p "$root/lists/partial" "$root/packages"
  options="-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::Lists=$root/lists -o APT::Sandbox::User=root"
  apt-get $options update >&2
  # The same version as for x64, so that both agents are built against one libc.
  version=$(dpkg-query -W -f '${Version}' musl-dev)
  (cd "$root/packages" && apt-get $options download "musl-dev=$version" "musl=$version" >&2)
  for package in "$root"/packages/*.deb; do dpkg -x "$package" "$root"; done
  touch "$root/done"
}

build_x64() { # output
  (cd src && musl-gcc $release $link -o "$1" $sources)
}

build_arm64() { # output
  arm64_musl
  include=$cache/musl-arm64/usr/include/aarch64-linux-musl
  lib=$cache/musl-arm64/usr/lib/aarch64-linux-musl
  gcc=$(aarch64-linux-gnu-gcc -print-libgcc-file-name)
  (cd src && aarch64-linux-gnu-gcc $release -mno-outline-atomics -nostdinc -isystem "$include" -isystem "$(dirname "$gcc")/include" \
    -nostdlib $link -o "$1" "$lib/crt1.o" "$lib/crti.o" $sources -Wl,--start-group "$lib/libc.a" "$gcc" -Wl,--end-group "$lib/crtn.o")
}

versions() {
  echo "- x64: $(gcc --version | head -n 1)"
  echo "- arm64: $(aarch64-linux-gnu-gcc --version | head -n 1)"
  echo "- binutils: $(ld --version | head -n 1); $(aarch64-linux-gnu-ld --version | head -n 1)"
  echo "- musl: $(dpkg-query -W -f '${Version}' musl-dev)"
}

build_both() { # folder
  need gcc gcc
  need musl-gcc musl-tools
  need aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
  mkdir -p "$1" "$cache"
  build_x64 "$1/agent-linux-x64"
  build_arm64 "$1/agent-linux-arm64"
}

case "${1:-}" in
  "")
    build_both "$bin"
    (cd "$bin" && sha256sum agent-linux-arm64 agent-linux-x64 > SHA256SUMS)
    {
      echo "# How these programs were built"
      echo
      echo "By \`native/build.sh\`; \`native/build.sh --check\` builds them again and compares. Equal bytes are promised for these versions:"
      echo
      versions
    } > "$bin/BUILD.md"
    cat "$bin/SHA256SUMS"
    ;;
  --check)
    temporary=$(mktemp -d)
    trap 'rm -rf "$temporary"' EXIT
    (cd "$bin" && sha256sum --quiet -c SHA256SUMS) || { echo "build.sh: the committed programs do not match bin/SHA256SUMS" >&2; exit 1; }
    build_both "$temporary"
    versions > "$temporary/versions"
    grep '^- ' "$bin/BUILD.md" > "$temporary/recorded"
    if ! cmp -s "$temporary/versions" "$temporary/recorded"; then
      echo "SKIPPED, NOT CHECKED: this machine's compilers are not the recorded ones, so other bytes would prove nothing." >&2
      diff "$temporary/recorded" "$temporary/versions" >&2 || true
      exit 0
    fi
    for program in agent-linux-x64 agent-linux-arm64; do
      cmp "$temporary/$program" "$bin/$program" || {
        echo "build.sh: bin/$program is not what the sources build: run native/build.sh and commit the result" >&2
        exit 1
      }
    done
    echo "bin/ is exactly what the sources build"
    ;;
  --sanitize)
    need gcc gcc
    mkdir -p "$cache"
    sanitize="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"
    (cd src && gcc $common $sanitize -o "$cache/agent-sanitized" $sources)
    [ ! -f test/vectors.c ] || gcc $common $sanitize -Isrc -o "$cache/vectors" test/vectors.c src/wire.c src/errname.c
    ;;
  *)
    echo "usage: build.sh [--check | --sanitize]" >&2
    exit 2
    ;;
esac
