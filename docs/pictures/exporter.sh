#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# exporter.sh PICTURE.png [SECONDS]: the page of sfshm-exporter in Chromium, after a private
# daemon was busy for so long (150).
set -euo pipefail

picture=$(realpath "$1")
seconds=${2:-150}
build=${SFSHM_BUILD:-$(dirname "$(realpath "$0")")/../../build}
sfshm=${SFSHM_TOOL:-$build/libclient/tools/sfshm}
exporter=${SFSHM_EXPORTER:-$build/libclient/exporter/sfshm-exporter}
page=http://127.0.0.1:${PORT:-9463}/

if [[ -z ${SFSHM_PICTURE:-} ]]; then
        SFSHM_PICTURE=1 exec "$sfshm" run -- "$0" "$picture" "$seconds"
fi
scratch=$(mktemp -d)
trap 'kill $(jobs -p); wait; rm -rf "$scratch"' EXIT
"$exporter" --listen "${page:7:-1}" &
# one client a second takes what a wave tells, in bursts
while :; do
        count=$((600000 + 30000 * ((SECONDS % 60) > 30 ? 60 - SECONDS % 60 : SECONDS % 60)))
        "$sfshm" next -n "$count" >/dev/null
        sleep 0.5
done &
for ((end = SECONDS + seconds; SECONDS < end;)); do
        curl -sf --retry 5 --retry-connrefused "$page" >/dev/null # somebody looks
        sleep 1
done
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$scratch" \
        --window-size=1100,840 --screenshot="$picture" "$page" 2>/dev/null
