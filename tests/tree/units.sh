#!/bin/sh
# SPDX-License-Identifier: MIT
# systemd accepts the units and finds little that their sandbox leaves open.
set -eu

if ! command -v systemd-analyze >/dev/null; then
        echo "systemd-analyze (package systemd) is not installed"
        exit 77
fi
directory=$(mktemp -d "${TMPDIR:-/tmp}/sfshm.XXXXXX")
trap 'rm -rf "$directory"' EXIT
cp "$SFSHM_SOURCE/daemon/units/sfshmd.socket" "$directory"
# the program must exist: use the built one, it is not installed
sed "s|^ExecStart=/usr/sbin/sfshmd|ExecStart=$SFSHMD|" "$SFSHM_SOURCE/daemon/units/sfshmd.service" \
        >"$directory/sfshmd.service"
systemd-analyze verify --man=no "$directory/sfshmd.socket" "$directory/sfshmd.service" \
        2>"$directory/verify"
if [ -s "$directory/verify" ]; then
        cat "$directory/verify"
        exit 1
fi
# in tenths
systemd-analyze security --offline=true --no-pager --threshold=15 "$directory/sfshmd.service"
# systemd-sysusers can create the account
mkdir "$directory/etc"
systemd-sysusers --root="$directory" "$SFSHM_SOURCE/daemon/units/sfshm.sysusers"
grep -q '^sfshm:' "$directory/etc/passwd"
