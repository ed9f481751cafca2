#!/bin/sh
# SPDX-License-Identifier: MIT
# header.sh LANGUAGE STANDARD COMPILER…: sfshm.h is clean in that language and short.
set -eu

header=$SFSHM_SOURCE/libclient/sfshm.h
language=$1 standard=$2
shift 2
"$@" -x "$language" -std="$standard" -Wall -Wextra -pedantic -Werror -fsyntax-only - <<END
#include "$header"
static sfshm *handle;
int main(void) { return sfshm_close(handle) != 0; }
END
lines=$(wc -l <"$header")
if [ "$lines" -gt 200 ]; then
        echo "sfshm.h has $lines lines, more than 200"
        exit 1
fi
