#!/bin/sh
# SPDX-License-Identifier: MIT
# Every manual page is clean; every public function has one.
set -eu
command -v mandoc >/dev/null || exit 77
cd "$SFSHM_SOURCE"

mandoc -Tlint -Wwarning libclient/man/*.[1-9] daemon/man/*.[1-9]
# shellcheck disable=SC2013
for function in $(sed -n 's/^[a-z].*[ *]\(sfshm_[a-z_]*\)(.*/\1/p' libclient/sfshm.h); do
        test -f "libclient/man/$function.3" || { echo "$function has no manual page"; exit 1; }
done
