#!/bin/sh
# SPDX-License-Identifier: MIT
# Every manual page is clean; every public function has one.
set -eu
if ! command -v mandoc >/dev/null; then
        echo "mandoc is not installed"
        exit 77
fi
cd "$SFSHM_SOURCE"

# Of no page's making: which manual pages this machine has, and which system it is.
# One page at a time: what it says of many in two streams gets mixed up.
for page in libclient/man/*.[1-9] daemon/man/*.[1-9]; do
        if mandoc -Tlint -Wstyle "$page" 2>&1 |
                grep -v -e 'referenced manual not found' -e 'outdated mandoc\.db' \
                        -e 'operating system explicitly specified' \
                        -e 'unknown operating system'; then
                exit 1
        fi
done
# shellcheck disable=SC2013
for function in $(sed -n 's/^[a-z].*[ *]\(sfshm_[a-z_]*\)(.*/\1/p' libclient/sfshm.h); do
        test -f "libclient/man/$function.3" || { echo "$function has no manual page"; exit 1; }
done
