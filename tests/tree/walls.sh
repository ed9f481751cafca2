#!/bin/sh
# SPDX-License-Identifier: MIT
# Who may include whom: shm/ nobody, daemon/ and libclient/ only shm/ and themselves.
set -eu
cd "$SFSHM_SOURCE"

wrong() {
        find "$1" -name '*.[ch]' -exec grep -Hn '#include "' {} + | grep -v "#include \"\\($2\\)/" || true
}
broken=$(wrong shm shm; wrong daemon 'shm\|daemon'; wrong libclient 'shm\|libclient')
if [ -n "$broken" ]; then
        printf 'includes through a wall (or not from the root):\n%s\n' "$broken"
        exit 1
fi
