/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Where the daemon's time comes from: the wall clock together with CLOCK_BOOTTIME,
 * whether the kernel considers the wall clock synchronised, how long the machine was
 * suspended, and a descriptor that reports steps. The guard (daemon/clock/guard.h)
 * decides what the readings mean.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/timex.h>
#include <time.h>

#include "daemon/clock/guard.h"

/* The layer below: the kernel, or the simulated time of a test. */
struct wall_clock_calls {
        int64_t (*clock_ns)(clockid_t clock); /* REALTIME, BOOTTIME, MONOTONIC */
        int (*adjtimex)(struct timex *timex); /* the state TIME_… of the clock, or -errno */
        /* A timer that the kernel cancels when the wall clock is set. */
        int (*timer_open)(void);     /* a descriptor, or -errno */
        int (*timer_arm)(int fd);    /* -ECANCELED: it is armed, and there was a step meanwhile */
        int (*timer_drain)(int fd);  /* -ECANCELED: a step; -EAGAIN: none; else it expired */
};

/* clock_gettime(2) through libc, so that a replacement of it (libfaketime) works. */
extern const struct wall_clock_calls wall_clock_kernel;

/* A narrower bracket was not widened by preemption. */
#define WALL_CLOCK_NARROW_NS INT64_C(20000)

/* CLOCK_REALTIME − CLOCK_BOOTTIME; the true value is within width_ns / 2 of it. */
struct wall_clock_offset {
        int64_t offset_ns;
        int64_t width_ns;
};

/* From a reading of REALTIME with BOOTTIME before and after it. Pure. */
struct wall_clock_offset wall_clock_offset_of(int64_t before_ns, int64_t realtime_ns,
                                              int64_t after_ns);
/* Reads until the bracket is narrow, a few times at most; returns the narrowest. */
struct wall_clock_offset wall_clock_offset(const struct wall_clock_calls *calls);

struct wall_clock;

/* Works without a timer that reports steps, and logs that: see wall_clock_step_fd(). */
int wall_clock_new(struct wall_clock **ret, const struct wall_clock_calls *calls);
struct wall_clock *wall_clock_free(struct wall_clock *wall_clock);

/*
 * Reads REALTIME between two BOOTTIMEs, several times if something came between them.
 * Returns how far apart the two were, in ns: the clocks in *ret match within half of
 * that. Whether the wall clock is synchronised costs a system call, so it is false unless
 * asked for. *ret_suspended_ns is how long the machine was suspended since the last call,
 * or 0.
 */
int64_t wall_clock_take(struct wall_clock *wall_clock, bool ask_synchronised,
                        struct guard_reading *ret, int64_t *ret_suspended_ns);

/* CLOCK_BOOTTIME alone. */
int64_t wall_clock_boottime(const struct wall_clock *wall_clock);

/* Readable when the wall clock was set; -1: the kernel does not report it. */
int wall_clock_step_fd(const struct wall_clock *wall_clock);
/* Was the wall clock set since the last call? Arms the timer again before it returns:
 * clocks that are read afterwards show the step, and a later step makes the descriptor
 * readable. */
bool wall_clock_stepped(struct wall_clock *wall_clock);
