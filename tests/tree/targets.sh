#!/bin/sh
# SPDX-License-Identifier: MIT
# meson refuses a 32-bit target with a sentence.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# a C library is not needed: meson only links an empty main()
cat >"$scratch/target.ini" <<'END'
[binaries]
c = ['gcc', '-m32']
ar = 'ar'
[built-in options]
c_link_args = ['-nostdlib', '-Wl,-e,main']
[host_machine]
system = 'linux'
cpu_family = 'x86'
cpu = 'i686'
endian = 'little'
END
echo 'int main(void) { return 0; }' >"$scratch/main.c"
if ! gcc -m32 -nostdlib -Wl,-e,main -o "$scratch/main" "$scratch/main.c"; then
        echo "skipped: gcc -m32 does not work here"
        exit 77
fi
if meson setup --cross-file "$scratch/target.ini" "$scratch/build" "$SFSHM_SOURCE" >"$scratch/log" 2>&1; then
        echo "meson accepts a 32-bit target"
        exit 1
fi
if ! grep -q 'sfshm needs a 64-bit target: ' "$scratch/log"; then
        cat "$scratch/log"
        exit 1
fi
