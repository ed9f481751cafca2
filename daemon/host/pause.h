/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * For how long a thread did not run: stopped by SIGSTOP, frozen, held in a debugger, or
 * without processor time. Its loop looks at the clocks before and after each wait. What it
 * comes late for is the least of it; what passed since the last look is the most. A suspend
 * of the machine is not part of it. Pure.
 */
#include <stdbool.h>
#include <stdint.h>

#define PAUSE_MIN_NS INT64_C(1000000000)

struct pause {
        int64_t boot_ns, mono_ns; /* CLOCK_BOOTTIME and CLOCK_MONOTONIC at the last look */
        int64_t due_ns;           /* when the next look was due, in BOOTTIME; INT64_MAX: open */
};

struct pause_length {
        int64_t least_ns, most_ns;
};

/* The next look is due at `due_ns`: when the timer expires before a wait, and at once after
 * it. `stopped`: the kernel ended the wait for no other reason, see event_dispatch(). True
 * if the pause was PAUSE_MIN_NS or more; not at the first look, at a zeroed struct. */
bool pause_look(struct pause *pause, int64_t boot_ns, int64_t mono_ns, int64_t due_ns,
                bool stopped, struct pause_length *ret);
