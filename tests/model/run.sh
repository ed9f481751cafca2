#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks the models beside it with spin: they must hold, and each variant without
# one of the rules must fail by an assertion. Usage: run.sh DIR
# [slot|withdrawal|old_copy] (an empty or new directory for what is built; all
# models without a second argument). Needs spin and a C compiler ($CC); takes
# about two minutes and 1 GB. SFSHM_LONG=1 searches withdrawals and old copies
# further.
set -u

here=$(cd "$(dirname "$0")" && pwd)
memory=1900
directory=${1:?usage: run.sh DIR [slot|withdrawal|old_copy]}
mkdir -p "$directory" || exit 1
status=0

# search NAME FLAGS...: leaves what pan printed in NAME/log. What fails does so
# within seconds, so $build says how long the compiler may take; $table: how large
# the table of states is in the beginning.
search() {
        name=$1
        shift
        mkdir -p "$directory/$name"
        # pan.* are written to the working directory
        if ! (cd "$directory/$name" && rm -f ./*.trail log &&
                spin -a "$@" "$model" >log 2>&1 &&
                "${CC:-cc}" $build -DSAFETY -DNOBOUNDCHECK -DVECTORSZ=512 -DMEMLIM=$memory \
                        -o pan pan.c >>log 2>&1 && ./pan -m$depth -w$table >>log 2>&1); then
                echo "$name: spin, compiler or pan failed, see $directory/$name/log"
                status=1
                return 1
        fi
}

states() {
        sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1 states/p' "$directory/$1/log"
}

holds() {
        build=$fast table=24
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
        build=-O0 table=21
        search "$@" $harm || return
        # only the assertions of O1, BEFORE and AFTER name these; U1 and NONE are the others
        violated=$(sed -n -e '/^pan:1: assertion violated .*before/s/.*/O1/p' \
                -e '/^pan:1: assertion violated .*old/s/.*/BEFORE/p' \
                -e '/^pan:1: assertion violated .*\(since_brake\|sure\)/s/.*/AFTER/p' \
                -e "/^pan:1: assertion violated /s/.*/$other/p" "$directory/$1/log" | head -n 1)
        if [ -n "$violated" ]; then
                echo "$1: fails as it must ($violated violated)"
        else
                echo "$1: DOES NOT FAIL, see $directory/$1/log"
                status=1
        fi
}

check_slot() {
        model=$here/slot.pml depth=20000 harm=-DHARM_ONLY other=U1
        fast="-O2 -DCOLLAPSE" # more than ten million states each
        holds all_in_steps -DTICKS=3 -DCRASHES=1 -DHARM_ONLY
        holds slow_in_steps -DTICKS=4 -DCRASHES=0 -DHOT_AT_ONCE -DHARM_ONLY
        fast=-O2
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
        model=$here/withdrawal.pml depth=60000 harm= other=U1
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
        memory=7000 fast="-O2 -DCOLLAPSE"
        holds withdrawals_hot_in_steps -DTICKS=5 -DSLOW_AT_ONCE
        holds withdrawals_clamped -DTICKS=6 -DEND=4 $one -DCRASHES=1 -DHOT_AT_ONCE -DSLOW_AT_ONCE
        holds withdrawals_cursor_ahead -DTICKS=5 -DAHEAD=2 -DCURSOR_RULE $one -DSLOW_AT_ONCE
        holds withdrawal_all_in_steps -DTICKS=4 $one
}

check_old_copy() {
        model=$here/old_copy.pml depth=1000 harm=-DTICKS=4 other=NONE fast=-O1
        must_fail copy_without_not_before -DNO_NOT_BEFORE
        must_fail copy_own_fence_only -DFENCE_ONLY
        must_fail copy_without_fence_check -DNO_FENCE_CHECK
        must_fail copy_brake_late -DBRAKE_LATE
        must_fail copy_without_late_renewal -DNO_LATE_RENEWAL
        must_fail copy_without_give_way -DNO_GIVE_WAY
        must_fail copy_start_blind -DSTART_BLIND
        must_fail copy_growth_keeps_time -DGROW -DWORKERS=3 -DSTOPS=0 -DKEEP_GROWN_TIME
        must_fail copy_start_keeps_time -DSTART_PROMISES -DKEEP_CLAIM_TIME
        must_fail copy_without_record_check -DALL_KNOW -DNO_RECORD_CHECK
        must_fail copy_release_uncounted -DALL_KNOW -DUNCOUNTED_RELEASE
        must_fail copy_fences_compared -DALL_KNOW -DCOMPARE_FENCES
        must_fail copies_brake_first -DRESTORES=2 -DBRAKE_FIRST
        must_fail copies_serve_early -DRESTORES=2 -DSTOPS=0 -DSERVE_EARLY
        must_fail copies_known_generation -DRESTORES=2 -DKNOWN_IS_ENOUGH
        must_fail copies_since_forgotten -DRESTORES=2 -DFORGET_SINCE
        holds copy_all_know -DTICKS=4 -DALL_KNOW
        holds copy_growing -DTICKS=4 -DGROW -DWORKERS=3 -DSTOPS=0
        holds copy_promised_at_start -DTICKS=4 -DSTART_PROMISES
        holds copy_answers_lost -DTICKS=4 -DLOST_ANSWERS -DBRAKE_FIRST -DSTART_BELOW \
                -DSERVE_EARLY -DKNOWN_IS_ENOUGH -DKEEP_SINCE -DFORGET_SINCE
        holds copies -DTICKS=4 -DRESTORES=2
        [ -z "${SFSHM_LONG:-}" ] && return
        memory=7000 fast="-O2 -DCOLLAPSE"
        must_fail copies_start_below -DRESTORES=2 -DSTART_BELOW -DLOST_ANSWERS
        holds copy_all_know_growing -DTICKS=4 -DALL_KNOW -DGROW
        holds copy_growing_longer -DTICKS=5 -DGROW
        holds copies_growing -DTICKS=4 -DRESTORES=2 -DGROW
        holds copies_answers_lost -DTICKS=4 -DRESTORES=2 -DLOST_ANSWERS
}

fast=-O2
one='-DGRANTS=1 -DWITHDRAWALS=1'
case ${2:-all} in
slot) check_slot ;;
withdrawal) check_withdrawal ;;
old_copy) check_old_copy ;;
all) check_slot; check_withdrawal; check_old_copy ;;
*) echo "run.sh: no model $2" >&2; exit 2 ;;
esac
exit $status
