#!/bin/sh
# SPDX-License-Identifier: MIT
# readme.sh PROGRAM: README.md's example prints IDs of a private daemon, all
# different and rising, and says what is wrong when there is no daemon.
set -eu

[ "$(printf %s "${TMPDIR:-}" | wc -c)" -le 64 ] || TMPDIR=/tmp # a socket's path is short
directory=$(mktemp -d "${TMPDIR:-/tmp}/sfshm.XXXXXX")
name=/sfshm-readme-${directory##*.}
mkdir -m 0700 "$directory/state"
export SFSHM_SOCKET="$directory/sfshm.sock"
trap 'kill "$daemon" 2>/dev/null || :; wait || :; rm -rf "$directory" "/dev/shm$name".*' EXIT
daemon=
if "$1" >"$directory/out" 2>&1; then
        echo "succeeded without a daemon"
        exit 1
fi
"$SFSHMD" --config /dev/null --set "daemon.socket=$SFSHM_SOCKET" --set "daemon.shm=$name" --set "workers.space=$name" \
        --set "daemon.state_dir=$directory/state" --set workers.first=0 2>"$directory/log" &
daemon=$!
until grep -q 'event=start)' "$directory/log"; do
        kill -0 "$daemon" 2>/dev/null || { cat "$directory/log"; exit 1; }
        sleep 0.05
done
"$1" >"$directory/out"
cat "$directory/out"
grep -q '^[0-9]\{15,19\}$' "$directory/out"
if grep -vq '^[0-9]\{15,19\}$' "$directory/out" || ! sort -cun "$directory/out"; then
        echo "not rising IDs"
        exit 1
fi
