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
cp "$SFSHM_SOURCE/daemon/units/sfshmd.socket" \
        "$SFSHM_SOURCE/libclient/exporter/sfshm-exporter.socket" "$directory"
# the program must exist: use the built one, it is not installed
sed "s|^ExecStart=/usr/sbin/sfshmd|ExecStart=$SFSHMD|" "$SFSHM_SOURCE/daemon/units/sfshmd.service" \
        >"$directory/sfshmd.service"
sed "s|^ExecStart=/usr/sbin/sfshm-exporter|ExecStart=${SFSHM_EXPORTER:-$SFSHMD}|" \
        "$SFSHM_SOURCE/libclient/exporter/sfshm-exporter.service" >"$directory/sfshm-exporter.service"
sed "s|^ExecStart=/usr/sbin/sfshm-recorder|ExecStart=$SFSHM_RECORDER|" \
        "$SFSHM_SOURCE/libclient/recorder/sfshm-recorder.service" >"$directory/sfshm-recorder.service"
for program in sfshmd sfshm-exporter sfshm-recorder; do
        systemd-analyze verify --man=no "$directory/$program".* \
                2>"$directory/verify"
        if [ -s "$directory/verify" ]; then
                cat "$directory/verify"
                exit 1
        fi
        # in tenths
        systemd-analyze security --offline=true --no-pager --threshold=15 \
                "$directory/$program.service"
done
# systemd-sysusers can create the accounts
mkdir "$directory/etc"
systemd-sysusers --root="$directory" "$SFSHM_SOURCE/daemon/units/sfshm.sysusers" \
        "$SFSHM_SOURCE/libclient/exporter/sfshm-exporter.sysusers" \
        "$SFSHM_SOURCE/libclient/recorder/sfshm-recorder.sysusers"
grep -q '^sfshm:' "$directory/etc/passwd"
grep -q '^sfshm-exporter:' "$directory/etc/passwd"
grep -q '^sfshm-recorder:' "$directory/etc/passwd"
