#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks slot.pml and withdrawal.pml with spin: the models must hold, and each
# variant without one of the rules must fail by an assertion. Usage: run.sh DIR
# [slot|withdrawal] (an empty or new directory for what is built; both models
# without a second argument). Needs spin and a C compiler ($CC); takes about a
# minute and 700 MB. SFSHM_LONG=1 searches withdrawals further.
set -u

here=$(cd "$(dirname "$0")" && pwd)
memory=1900
directory=${1:?usage: run.sh DIR [slot|withdrawal]}
mkdir -p "$directory" || exit 1
status=0

# search NAME FLAGS...: leaves what pan printed in NAME/log
search() {
        name=$1
        shift
        mkdir -p "$directory/$name"
        # pan.* are written to the working directory
        if ! (cd "$directory/$name" && rm -f ./*.trail log &&
                spin -a "$@" "$model" >log 2>&1 &&
                "${CC:-cc}" -O2 -DSAFETY -DCOLLAPSE -DVECTORSZ=512 -DMEMLIM=$memory -o pan pan.c \
                        >>log 2>&1 && ./pan -m$depth >>log 2>&1); then
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
        search "$@" $harm || return
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

check_slot() {
        model=$here/slot.pml depth=20000 harm=-DHARM_ONLY
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
}

# What fails does so within seconds.
check_withdrawal() {
        model=$here/withdrawal.pml depth=60000 harm=
        must_fail withdrawn_free_at_t -DTICKS=4 -DFREE=0 -DHOT_AT_ONCE
        must_fail withdrawn_free_at_t_plus_1 -DTICKS=4 -DFREE=1 -DHOT_AT_ONCE
        must_fail withdrawn_without_barrier -DTICKS=4 -DNO_BARRIER -DHOT_AT_ONCE
        must_fail withdrawn_slot_read_first -DTICKS=4 -DSLOT_FIRST -DHOT_AT_ONCE
        must_fail withdrawn_ledger_first -DTICKS=4 -DLEDGER_FIRST -DHOT_AT_ONCE
        must_fail withdrawn_stale_t -DTICKS=5 -DSTALE_T -DHOT_AT_ONCE
        must_fail withdrawn_clock_ahead -DTICKS=4 -DAHEAD=2 -DSLOW_AT_ONCE
        must_fail withdrawn_without_rule_2 -DTICKS=5 -DNO_RULE2 -DSLOW_AT_ONCE
        must_fail withdrawn_without_clamp -DTICKS=5 -DEND=4 -DNO_CLAMP $one -DCRASHES=1 \
                -DHOT_AT_ONCE -DSLOW_AT_ONCE
        holds withdrawal_clamped -DTICKS=5 -DEND=4 $one -DCRASHES=1 -DHOT_AT_ONCE -DSLOW_AT_ONCE
        holds withdrawal_hot_in_steps -DTICKS=5 $one -DSLOW_AT_ONCE
        holds withdrawal_slow_in_steps -DTICKS=4 -DWITHDRAWALS=1 -DHOT_AT_ONCE
        holds withdrawal_crash -DTICKS=4 $one -DCRASHES=1 -DHOT_AT_ONCE
        holds withdrawal_cursor_ahead -DTICKS=4 -DAHEAD=2 -DCURSOR_RULE -DWITHDRAWALS=1 \
                -DSLOW_AT_ONCE
        [ -z "${SFSHM_LONG:-}" ] && return
        memory=7000
        holds withdrawals_hot_in_steps -DTICKS=5 -DSLOW_AT_ONCE
        holds withdrawals_clamped -DTICKS=6 -DEND=4 $one -DCRASHES=1 -DHOT_AT_ONCE -DSLOW_AT_ONCE
        holds withdrawals_cursor_ahead -DTICKS=5 -DAHEAD=2 -DCURSOR_RULE $one -DSLOW_AT_ONCE
        holds withdrawal_all_in_steps -DTICKS=4 $one
}

one='-DGRANTS=1 -DWITHDRAWALS=1'
case ${2:-both} in
slot) check_slot ;;
withdrawal) check_withdrawal ;;
both) check_slot; check_withdrawal ;;
*) echo "run.sh: no model $2" >&2; exit 2 ;;
esac
exit $status
