/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Keeps the guarded clock: reads the clocks, lets the guard decide, publishes line and
 * state in the clock segment, and reports to the log, the service manager and
 * callers. It follows a forward jump in the order of rule 9: fence, reservations, clock.
 * Ledger thread only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/clock/describe.h"
#include "daemon/clock/guard.h"
#include "daemon/host/clone_watch.h"
#include "daemon/clock/wall_clock.h"
#include "shm/clock.h"

/* What the owner does, on the ledger thread; `context` is the owner's. */
struct timekeeper_hooks {
        /* The clock is about to move forward to `tick` (rule 9): do the fence and the
         * reservations hold there? False: not yet; the next look asks again. */
        bool (*prepare)(void *context, uint64_t tick);
        /* State or reason have changed: clients that sleep must look at them. */
        void (*changed)(void *context);
};

struct timekeeper {
        struct guard *guard;
        struct clock_segment *clock;
        struct wall_clock *wall_clock;
        struct clone_watch *clone_watch;
        const struct timekeeper_hooks *hooks;
        void *context; /* of the hooks */
        struct guard_reading reading; /* the last */
        struct clock_line published;
        uint64_t floor_tick; /* readers may have been there before this daemon started */
        enum clock_state state;
        enum clock_reason reason;
        const char *stuck; /* the sentence of timekeeper_set_stuck() */
        int64_t alarmed_boot_ns; /* when the log last warned of the layout's end; 0: never */
        uint64_t incidents;   /* rollbacks and holds that were reported */
        uint64_t rollbacks;
        int64_t rollback_unix_ms; /* when the last one was found; 0: none was */
};

/* The caller has filled in the pointers, and nothing else. */
void timekeeper_init(struct timekeeper *keeper);

/* Once in each round of the event loop, before anything is granted. */
void timekeeper_look(struct timekeeper *keeper);
/* After the round's grants: the fence is passed and cannot be raised, and `why`; it
 * stays valid until the next call. NULL: it is not. */
void timekeeper_set_stuck(struct timekeeper *keeper, const char *why);
/* The CLOCK_BOOTTIME by which to look again, or INT64_MAX. */
int64_t timekeeper_deadline(const struct timekeeper *keeper);

/* The last tick that any reader can have reached by now: that of the published line, by a new
 * reading of CLOCK_BOOTTIME, or more if the earlier daemon died while it changed the line. */
uint64_t timekeeper_last_tick(const struct timekeeper *keeper);

/* May grants be made? If not, *ret_resume_boot_ns is when that may change by itself;
 * INT64_MAX: it will not. */
bool timekeeper_ready(const struct timekeeper *keeper, int64_t *ret_resume_boot_ns);

/* The present state as a sentence; that of the fence may contain a long path. */
#define TIMEKEEPER_TEXT 3400u
const char *timekeeper_text(const struct timekeeper *keeper, char text[TIMEKEEPER_TEXT]);

/* Another module has set STATUS=: report once more what is wrong. */
void timekeeper_tell_again(const struct timekeeper *keeper);

/* The operator says that the wall clock is right. 0 or -errno; `text` is the answer. */
int timekeeper_accept(struct timekeeper *keeper, char text[TIMEKEEPER_TEXT]);
