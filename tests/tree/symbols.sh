#!/bin/sh
# SPDX-License-Identifier: MIT
# symbols.sh LIBRARY: exports exactly the functions which sfshm.h declares.
set -eu

exported=$(nm -D --defined-only "$1" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort)
declared=$(sed -n 's/^[a-z].*[ *]\(sfshm_[a-z_]*\)(.*/\1/p' "$SFSHM_SOURCE/libclient/sfshm.h" | sort)
others=$(nm -D --defined-only "$1" | awk '$2 != "T" && $2 != "A" { print $3 }')
if [ "$exported" != "$declared" ] || [ -n "$others" ]; then
        printf 'declared:\n%s\nexported:\n%s\n%s\n' "$declared" "$exported" "$others"
        exit 1
fi
