#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks slot.pml with spin: the model must hold, and each variant without one
# of the rules must fail by an assertion. Usage: run.sh DIR (an empty or new
# directory for what is built). Needs spin and a C compiler ($CC); takes about
# a minute and 700 MB.
set -u

model=$(cd "$(dirname "$0")" && pwd)/slot.pml
directory=${1:?usage: run.sh DIR}
mkdir -p "$directory" || exit 1
status=0

# search NAME FLAGS...: leaves what pan printed in NAME/log
search() {
        name=$1
        shift
        mkdir -p "$directory/$name"
        # pan.* are written to the working directory
        if ! (cd "$directory/$name" && rm -f slot.pml.trail log &&
                spin -a "$@" "$model" >log 2>&1 &&
                "${CC:-cc}" -O2 -DSAFETY -DCOLLAPSE -DVECTORSZ=512 -DMEMLIM=1900 -o pan pan.c \
                        >>log 2>&1 && ./pan -m20000 >>log 2>&1); then
                echo "$name: spin, compiler or pan failed, see $directory/$name/log"
                status=1
                return 1
        fi
}

states() {
        sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1 states/p' "$directory/$1/log"
}

holds() {
        search "$@" || return
        if grep -q 'errors: 0$' "$directory/$1/log" &&
                ! grep -Eq 'max search depth too small|Search not completed|out of memory' \
                        "$directory/$1/log"; then
                echo "$1: holds ($(states "$1"))"
        else
                echo "$1: FAILED, see $directory/$1/log"
                status=1
        fi
}

must_fail() {
        search "$@" -DHARM_ONLY || return
        # only the assertion of O1 names `before`; the others are U1's
        violated=$(sed -n -e '/^pan:1: assertion violated .*before/s/.*/O1/p' \
                -e '/^pan:1: assertion violated /s/.*/U1/p' "$directory/$1/log" | head -n 1)
        if [ -n "$violated" ]; then
                echo "$1: fails as it must ($violated violated)"
        else
                echo "$1: DOES NOT FAIL, see $directory/$1/log"
                status=1
        fi
}

holds all_in_steps -DTICKS=3 -DCRASHES=1 -DHARM_ONLY
holds slow_in_steps -DTICKS=4 -DCRASHES=0 -DHOT_AT_ONCE -DHARM_ONLY
holds hot_in_steps -DTICKS=4 -DCRASHES=0 -DSLOW_AT_ONCE -DHARM_ONLY
holds promises -DTICKS=5 -DCRASHES=1 -DNO_READERS

must_fail without_rule_1 -DCRASHES=0 -DNO_RULE1
must_fail without_rule_1_barrier -DCRASHES=0 -DNO_RULE1_BARRIER
must_fail without_rule_1_t0_first -DCRASHES=0 -DNO_RULE1_T0_FIRST -DSLOW_AT_ONCE
must_fail without_rule_2 -DCRASHES=0 -DNO_RULE2
must_fail without_rule_3 -DCRASHES=0 -DNO_RULE3
must_fail without_rule_4 -DCRASHES=1 -DNO_RULE4
must_fail without_rule_6 -DCRASHES=0 -DNO_RULE6
exit $status
