/* SPDX-License-Identifier: MIT */
#include "daemon/clock/wall_clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon/util/log.h"
#include "daemon/util/time.h"

/* the kernel's last second; no clock can be set as late as that */
#define NEVER_S (INT64_MAX / NS_PER_S)
#define BRACKETS_MAX 5
/* BOOTTIME − MONOTONIC grows only by suspends; less than this is noise of the reading */
#define SUSPEND_MIN_NS NS_PER_MS
/* steps that come faster than the timer can be armed count as one */
#define ARMS_MAX 4

struct wall_clock {
        const struct wall_clock_calls *calls;
        int step_fd;
        int64_t asleep_ns;       /* BOOTTIME − MONOTONIC at the last suspend, or at first, */
        int64_t asleep_width_ns; /* known within half of this */
        bool sync_unknown; /* that was logged */
};

struct bracket {
        int64_t before_ns, realtime_ns, monotonic_ns, after_ns;
};

/* A faked clock may show more than fits: then the nearest value that does. */
static int64_t kernel_clock_ns(clockid_t clock) {
        struct timespec at;
        int64_t ns;

        if (clock_gettime(clock, &at) < 0)
                return 0;
        if (__builtin_mul_overflow((int64_t)at.tv_sec, NS_PER_S, &ns) ||
            __builtin_add_overflow(ns, (int64_t)at.tv_nsec, &ns))
                return at.tv_sec < 0 ? INT64_MIN : INT64_MAX;
        return ns;
}

static int kernel_adjtimex(struct timex *timex) {
        int state = adjtimex(timex);

        return state < 0 ? -errno : state;
}

static int kernel_timer_open(void) {
        int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static int kernel_timer_arm(int fd) {
        const struct itimerspec never = { .it_value.tv_sec = NEVER_S };

        if (timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0)
                return -errno;
        return 0;
}

static int kernel_timer_drain(int fd) {
        uint64_t expirations;

        return read(fd, &expirations, sizeof(expirations)) < 0 ? -errno : 0;
}

const struct wall_clock_calls wall_clock_kernel = {
        .clock_ns = kernel_clock_ns,
        .adjtimex = kernel_adjtimex,
        .timer_open = kernel_timer_open,
        .timer_arm = kernel_timer_arm,
        .timer_drain = kernel_timer_drain,
};

static int64_t difference(int64_t a, int64_t b) {
        int64_t r;

        if (__builtin_sub_overflow(a, b, &r))
                return a < b ? INT64_MIN : INT64_MAX;
        return r;
}

/* never below 0: BOOTTIME does not go back */
static int64_t width_of(const struct bracket *bracket) {
        int64_t width_ns = difference(bracket->after_ns, bracket->before_ns);

        return width_ns > 0 ? width_ns : 0;
}

static int64_t middle_of(const struct bracket *bracket) {
        return bracket->before_ns + width_of(bracket) / 2;
}

struct wall_clock_offset wall_clock_offset_of(int64_t before_ns, int64_t realtime_ns,
                                              int64_t after_ns) {
        struct bracket bracket = { .before_ns = before_ns, .after_ns = after_ns };

        return (struct wall_clock_offset){
                .offset_ns = difference(realtime_ns, middle_of(&bracket)),
                .width_ns = width_of(&bracket),
        };
}

static struct bracket bracket_read(const struct wall_clock_calls *calls) {
        struct bracket bracket;

        bracket.before_ns = calls->clock_ns(CLOCK_BOOTTIME);
        bracket.realtime_ns = calls->clock_ns(CLOCK_REALTIME);
        bracket.monotonic_ns = calls->clock_ns(CLOCK_MONOTONIC);
        bracket.after_ns = calls->clock_ns(CLOCK_BOOTTIME);
        return bracket;
}

/* Preemption between two readings looks like a step, and a suspend like a step of hours.
 * The narrowest bracket contains the least of it. */
static struct bracket bracket_narrow(const struct wall_clock_calls *calls) {
        struct bracket best = bracket_read(calls);

        for (int i = 1; i < BRACKETS_MAX && width_of(&best) >= WALL_CLOCK_NARROW_NS; i++) {
                struct bracket next = bracket_read(calls);

                if (width_of(&next) < width_of(&best))
                        best = next;
        }
        return best;
}

struct wall_clock_offset wall_clock_offset(const struct wall_clock_calls *calls) {
        struct bracket bracket = bracket_narrow(calls);

        return wall_clock_offset_of(bracket.before_ns, bracket.realtime_ns, bracket.after_ns);
}

static void remember_asleep(struct wall_clock *wall_clock, const struct bracket *bracket) {
        wall_clock->asleep_ns = difference(middle_of(bracket), bracket->monotonic_ns);
        wall_clock->asleep_width_ns = width_of(bracket);
}

/* Only a growth beyond what the two brackets can explain is a suspend. */
static int64_t suspended(struct wall_clock *wall_clock, const struct bracket *bracket) {
        int64_t grown_ns = difference(difference(middle_of(bracket), bracket->monotonic_ns),
                                      wall_clock->asleep_ns);
        int64_t unsure_ns = width_of(bracket) / 2 + wall_clock->asleep_width_ns / 2;

        if (difference(grown_ns, unsure_ns) > SUSPEND_MIN_NS) {
                remember_asleep(wall_clock, bracket);
                return grown_ns;
        }
        if (width_of(bracket) < wall_clock->asleep_width_ns)
                remember_asleep(wall_clock, bracket);
        return 0;
}

/* -EPERM comes from a sandbox: this changes nothing, so it needs no privilege. */
static bool synchronised(struct wall_clock *wall_clock) {
        struct timex timex = { .modes = 0 };
        int state = wall_clock->calls->adjtimex(&timex);

        if (state < 0 && !wall_clock->sync_unknown) {
                wall_clock->sync_unknown = true;
                log_event(EVENT_SYNCHRONISED, "adjtimex: %s: the wall clock counts as "
                          "unsynchronised, because its state cannot be read; a service needs "
                          "ProtectClock=no and a system call filter that allows adjtimex",
                          strerror(-state));
        }
        return state >= 0 && state != TIME_ERROR && (timex.status & STA_UNSYNC) == 0;
}

int64_t wall_clock_take(struct wall_clock *wall_clock, bool ask_synchronised,
                        struct guard_reading *ret, int64_t *ret_suspended_ns) {
        struct bracket bracket = bracket_narrow(wall_clock->calls);

        *ret_suspended_ns = suspended(wall_clock, &bracket);
        *ret = (struct guard_reading){
                .realtime_ns = bracket.realtime_ns,
                .boottime_ns = middle_of(&bracket),
                .synchronised = ask_synchronised && synchronised(wall_clock),
        };
        return width_of(&bracket);
}

int64_t wall_clock_boottime(const struct wall_clock *wall_clock) {
        return wall_clock->calls->clock_ns(CLOCK_BOOTTIME);
}

/* 1: there was a step while the timer was being armed; negative: it cannot be armed. */
static int arm(const struct wall_clock *wall_clock) {
        int r = -ECANCELED;
        bool stepped = false;

        for (int i = 0; i < ARMS_MAX && r == -ECANCELED; i++) {
                r = wall_clock->calls->timer_arm(wall_clock->step_fd);
                stepped = stepped || r == -ECANCELED;
        }
        return r < 0 && r != -ECANCELED ? r : stepped;
}

static void disarm(struct wall_clock *wall_clock, int error) {
        log_event(EVENT_STEPS, "the kernel does not report steps of the wall clock "
                  "(%s): while no ticks run, a step is noticed late", strerror(error));
        if (wall_clock->step_fd >= 0)
                close(wall_clock->step_fd);
        wall_clock->step_fd = -1;
}

int wall_clock_new(struct wall_clock **ret, const struct wall_clock_calls *calls) {
        struct wall_clock *wall_clock = calloc(1, sizeof(*wall_clock));
        struct bracket bracket;
        int r;

        if (wall_clock == NULL)
                return -ENOMEM;
        wall_clock->calls = calls;
        r = wall_clock->step_fd = calls->timer_open();
        if (r >= 0)
                r = arm(wall_clock);
        if (r < 0)
                disarm(wall_clock, -r);
        bracket = bracket_narrow(calls);
        remember_asleep(wall_clock, &bracket);
        *ret = wall_clock;
        return 0;
}

struct wall_clock *wall_clock_free(struct wall_clock *wall_clock) {
        if (wall_clock == NULL)
                return NULL;
        if (wall_clock->step_fd >= 0)
                close(wall_clock->step_fd);
        free(wall_clock);
        return NULL;
}

int wall_clock_step_fd(const struct wall_clock *wall_clock) {
        return wall_clock->step_fd;
}

bool wall_clock_stepped(struct wall_clock *wall_clock) {
        int r;

        if (wall_clock->step_fd < 0 ||
            wall_clock->calls->timer_drain(wall_clock->step_fd) == -EAGAIN)
                return false;
        /* before anybody reads the clocks: a later step is reported again, and an earlier
         * one shows in the clocks */
        r = arm(wall_clock);
        if (r < 0)
                disarm(wall_clock, -r);
        return true;
}
