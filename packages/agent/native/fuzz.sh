#!/bin/sh
# Fuzzes the frame decoder for a bounded time (libFuzzer, AddressSanitizer, UBSan), beginning with the golden vectors.
#   fuzz.sh SECONDS
# A crash ends it with a status other than 0 and leaves the input in .cache/fuzz.
set -eu
cd "$(dirname "$0")"
seconds=${1:?usage: fuzz.sh SECONDS}
command -v clang >/dev/null || { [ "$(id -u)" = 0 ] && apt-get install -y --no-install-recommends clang libclang-rt-dev >&2; }
mkdir -p .cache/fuzz/corpus
clang -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Isrc \
  -o .cache/fuzz/fuzz test/fuzz.c src/wire.c src/errname.c
# One seed per vector.
sed -n 's/^ *"hex": "\([0-9a-f]*\)".*/\1/p' ../test/vectors.json | while read -r hex; do
  name=$(printf %s "$hex" | cksum | cut -d' ' -f1)
  printf %s "$hex" | perl -pe '$_ = pack "H*", $_' > ".cache/fuzz/corpus/vector-$name"
done
exec .cache/fuzz/fuzz -max_total_time="$seconds" -max_len=70000 -artifact_prefix=.cache/fuzz/ -print_final_stats=1 .cache/fuzz/corpus
