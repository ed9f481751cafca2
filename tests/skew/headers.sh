#!/bin/sh
# SPDX-License-Identifier: MIT
# headers.sh INPUT OUTPUT RELEASE: a header of shm/ as another release has it.
#   next   two protocol versions on, another statistics segment
#   far    four on
#   ledger this one but for its ledger
#   older  layouts before this one's, the ledger of another size, under the same protocol
# A change that finds nothing to change is an error: the header is another by now.
set -eu
input=$1
output=$2
release=$3
# what other layouts would not pass
sed '/^_Static_assert.*;$/d; /^_Static_assert/,/;/d' "$input" >"$output"

change() {
        sed "$1" "$output" >"$output.changed"
        if cmp -s "$output" "$output.changed"; then
                echo "$input: '$1' changes nothing; see tests/skew/headers.sh" >&2
                exit 1
        fi
        mv "$output.changed" "$output"
}

# number NAME VALUE
number() {
        change "s/^\\(#define $1\\) [0-9]*u\$/\\1 $2u/"
}

# move FIELD BEFORE: a line with the one to above the line with the other; both end in ;
move() {
        line=$(grep -E "^ +[^/].*[ *]$1(\\[.*\\])?;" "$output")
        change "/^ *[^/].*[ *]$1\\(\\[.*\\]\\)\\{0,1\\};/d"
        change "s|^ *[^/].*[ *]$2\\(\\[.*\\]\\)\\{0,1\\};|$line\\n&|"
}

case $release/${input##*/} in
next/wire.h)
        number WIRE_VERSION 3
        ;;
far/wire.h)
        number WIRE_VERSION 5
        number WIRE_VERSION_MIN 3
        ;;
next/statistics.h | far/statistics.h)
        number STATISTICS_VERSION 3
        move worker_first daemon_version
        ;;
older/statistics.h)
        number STATISTICS_VERSION 0
        move client_count worker_first
        ;;
ledger/ledger.h)
        number LEDGER_VERSION 2
        move slots lane
        ;;
older/ledger.h)
        number LEDGER_VERSION 0
        change 's/reserved\[4096 - 104\]/reserved[8192 - 104]/'
        ;;
older/clock.h)
        number CLOCK_VERSION 0
        move now generation
        ;;
older/pages.h)
        number PAGES_VERSION 0
        move base_tick client
        ;;
esac
