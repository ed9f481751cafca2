/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Where the daemon's time comes from: the wall clock beside CLOCK_BOOTTIME,
 * whether the kernel takes the wall clock for synchronised, how long the
 * machine was suspended, and a descriptor that tells of steps. What these
 * readings mean is the guard's business (daemon/clock/guard.h).
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/timex.h>
#include <time.h>

#include "daemon/clock/guard.h"

/* The layer below: the kernel, or a test's simulated time. */
struct wall_clock_calls {
        int64_t (*clock_ns)(clockid_t clock); /* REALTIME, BOOTTIME, MONOTONIC */
        int (*adjtimex)(struct timex *timex); /* the clock's state TIME_…, or -errno */
        /* The timer which the kernel cancels when the wall clock is set. */
        int (*timer_open)(void);     /* a descriptor, or -errno */
        int (*timer_arm)(int fd);    /* -ECANCELED: armed, and there was a step meanwhile */
        int (*timer_drain)(int fd);  /* -ECANCELED: a step; -EAGAIN: none; else it ran out */
};

/* clock_gettime(2) through libc, so that what replaces it there is honoured. */
extern const struct wall_clock_calls wall_clock_kernel;

/* A bracket narrower than this was not torn apart by preemption. */
#define WALL_CLOCK_NARROW_NS INT64_C(20000)

/* CLOCK_REALTIME − CLOCK_BOOTTIME; the truth is within width_ns / 2 of it. */
struct wall_clock_offset {
        int64_t offset_ns;
        int64_t width_ns;
};

/* From a reading of REALTIME with BOOTTIME before and after it. Pure. */
struct wall_clock_offset wall_clock_offset_of(int64_t before_ns, int64_t realtime_ns,
                                              int64_t after_ns);
/* Reads a few times until the bracket is narrow; the narrowest otherwise. */
struct wall_clock_offset wall_clock_offset(const struct wall_clock_calls *calls);

struct wall_clock;

/* Without a timer that tells of steps (logged) it works on: see wall_clock_step_fd(). */
int wall_clock_new(struct wall_clock **ret, const struct wall_clock_calls *calls);
struct wall_clock *wall_clock_free(struct wall_clock *wall_clock);

/*
 * Reads the clocks: REALTIME between two BOOTTIMEs, several times when something
 * came between them. Returns how far apart these two were, in ns: *ret's clocks
 * fit each other within half of that. Whether the wall clock is synchronised is a
 * system call: false unless asked for. *ret_suspended_ns is how long the machine
 * slept since the last look, 0 when it did not.
 */
int64_t wall_clock_take(struct wall_clock *wall_clock, bool ask_synchronised,
                        struct guard_reading *ret, int64_t *ret_suspended_ns);

/* Readable when the wall clock was set; -1: the kernel does not tell. */
int wall_clock_step_fd(const struct wall_clock *wall_clock);
/* Was the wall clock set? Asks once for each time, and arms the timer again
 * before it returns: clocks which are read afterwards show the step, and a
 * later step makes the descriptor readable. */
bool wall_clock_stepped(struct wall_clock *wall_clock);
