/* SPDX-License-Identifier: MIT */
/*
 * Steps of the wall clock, seen from the clients: the real daemon under
 * libfaketime, which sets its wall clock (and leaves CLOCK_BOOTTIME alone) by a
 * file that the test rewrites. Clients under load are not under libfaketime.
 * The kernel tells of no such step: the daemon has to find it by itself.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shm/clock.h"
#include "tests/support/tool.h"
#include "tests/support/collect.h"
#include "tests/support/private_daemon.h"
#include "tests/support/reservation.h"
#include "tests/support/wall_clock.h"

#define TAKERS 2u
#define NS_PER_S INT64_C(1000000000)
#define SETTLED_MS 8000 /* of the 15 s of reserve.standing */
#define NOTICED_WITHIN_NS (2 * NS_PER_S) /* generous: a figure is printed */

static struct private_daemon d;
static struct arena *arena;
static const struct clock_segment *clock_now;
static struct tool_result result;

/* What the takers tell; shared memory. */
static struct report {
        _Atomic int stop;
        struct {
                _Atomic int64_t longest_ns; /* from one ID to the next */
                _Atomic int64_t left_ms;    /* of what it holds */
                _Atomic int error;          /* the last that failed */
        } takers[TAKERS];
} *report;

static void map_clock(void) {
        char name[160];
        int fd;

        snprintf(name, sizeof(name), "%s.clock", d.shm);
        fd = shm_open(name, O_RDONLY, 0);
        cr_assert_geq(fd, 0);
        clock_now = mmap(NULL, CLOCK_SIZE, PROT_READ, MAP_SHARED, fd, 0);
        cr_assert_neq(clock_now, MAP_FAILED);
        close(fd);
}

static void set_up(void) {
        wall_clock_find();
        private_daemon_prepare(&d);
        wall_clock_prepare(&d);
        private_daemon_set(&d, "clock.max_slew=50ms"); /* half a second is no small difference */
        arena = arena_new(TAKERS + 1, 16 << 20);
        report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                      -1, 0);
}

static void tear_down(void) {
        if (arena == NULL)
                return;
        private_daemon_remove(&d);
        arena_free(arena);
}
TestSuite(clock_steps, .init = set_up, .fini = tear_down, .timeout = 120);

/* ---- load */

static void take(size_t part) {
        sfshm *s = private_daemon_open(&d, 0);
        int64_t before = 0;
        uint64_t id;

        sfshm_set_timeout(s, 10 * NS_PER_S);
        while (!report->stop) {
                int r = sfshm_next(s, &id);
                int64_t now = test_monotonic_ns();

                if (r < 0) {
                        report->takers[part].error = r;
                        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
                        continue;
                }
                if (before != 0 && now - before > report->takers[part].longest_ns)
                        report->takers[part].longest_ns = now - before;
                before = now;
                arena_add(arena, part, id);
                report->takers[part].left_ms = reservation_left_ms(s);
        }
        _exit(0);
}

static bool all_take(void *context) {
        const size_t *before = context;

        for (size_t i = 0; i < TAKERS; i++)
                if (arena->parts[i].used < before[i] + 1000)
                        return false;
        return true;
}

static void expect_ids(void) {
        size_t before[TAKERS];

        for (size_t i = 0; i < TAKERS; i++)
                before[i] = arena->parts[i].used;
        cr_assert(wait_until(all_take, before, 60000), "IDs do not flow");
}

static bool all_hold(void *context) {
        for (size_t i = 0; context == NULL && i < TAKERS; i++)
                if (report->takers[i].left_ms < SETTLED_MS)
                        return false;
        return true;
}

static void begin(void) {
        wall_clock_start(&d);
        map_clock();
        for (size_t i = 0; i < TAKERS; i++)
                if (fork_bound() == 0)
                        take(i);
        cr_assert(wait_until(all_hold, NULL, 60000), "no standing reservations");
        expect_ids();
        for (size_t i = 0; i < TAKERS; i++)
                report->takers[i].longest_ns = 0;
}

static uint64_t last_tick(size_t part) {
        size_t used = arena->parts[part].used;

        return used == 0 ? 0 : arena->parts[part].ids[used - 1] >> 22;
}

static uint64_t highest_tick(void) {
        uint64_t highest = 0;

        for (size_t i = 0; i < TAKERS; i++)
                if (last_tick(i) > highest)
                        highest = last_tick(i);
        return highest;
}

static double longest_ms(void) {
        int64_t longest = 0;

        for (size_t i = 0; i < TAKERS; i++)
                if (report->takers[i].longest_ns > longest)
                        longest = report->takers[i].longest_ns;
        return (double)longest / 1e6;
}

/* U1 and O1 over all that happened. */
static void end(void) {
        report->stop = 1;
        expect_children(TAKERS);
        arena_expect_unique(arena);
        for (size_t i = 0; i < TAKERS; i++)
                arena_expect_increasing(arena, i);
        private_daemon_stop(&d);
}

/* ---- what the daemon makes of it */

static uint32_t reason(void) {
        return atomic_load_explicit(&clock_now->reason, memory_order_acquire);
}

static uint32_t state(void) {
        return atomic_load_explicit(&clock_now->state, memory_order_acquire);
}

static bool is_in(void *context) {
        return state() == *(const uint32_t *)context;
}

/* The state is stored after its reason. */
static void expect_state(uint32_t in, uint32_t why) {
        cr_assert(wait_until(is_in, &in, 30000), "%s", clock_state_name(state()));
        cr_assert_eq(reason(), why, "%s", clock_reason_name(reason()));
}

static bool is_running(uint32_t why) {
        (void)why;
        return state() == CLOCK_STATE_RUNNING;
}

static bool is_reason(uint32_t why) {
        return reason() == why;
}

/* Steps, and looks without a pause until that holds. */
static void step_until(const char *offset, bool (*condition)(uint32_t), uint32_t why) {
        int64_t begun = wall_clock_set(offset), took;

        do
                took = test_monotonic_ns() - begun;
        while (!condition(why) && took < 60 * NS_PER_S);
        took = test_monotonic_ns() - begun;
        cr_assert(condition(why), "it is %s, %s", clock_state_name(state()),
                  clock_reason_name(reason()));
        fprintf(stderr, "step to %s s: %s, %s after %.2f ms\n", offset, clock_state_name(state()),
                clock_reason_name(reason()), (double)took / 1e6);
        cr_assert_lt(took, NOTICED_WITHIN_NS);
}

static void step(const char *offset, enum clock_reason to) {
        step_until(offset, is_reason, to);
}

/* What it missed while it stood still is slewed away, or a step by itself. */
static void set_right(void) {
        step_until("+0", is_running, 0);
}

static bool has_reason(void *context) {
        return reason() == *(const uint32_t *)context;
}

/* Killed, and started again by the same wrong clock. */
static void restart_in(uint32_t in, uint32_t why) {
        uint32_t generation = atomic_load(&clock_now->generation);

        private_daemon_signal(&d, SIGKILL, true);
        wall_clock_start(&d);
        cr_assert(wait_until(has_reason, &why, 30000), "after a restart it is %s",
                  clock_reason_name(reason()));
        cr_assert_gt(atomic_load(&clock_now->generation), generation, "it is another clock");
        expect_state(in, why);
}

static void expect_log(const char *part) {
        char *log = private_daemon_log(&d);

        cr_assert_not_null(strstr(log, part), "\"%s\" is not in the log:\n%s", part, log);
        free(log);
}

static void expect_stat(const char *part) {
        const char *const arguments[] = { "--socket", d.socket, "--prometheus",
                                          NULL };

        tool_run(&result, "SFSHM_STAT_TOOL", arguments, "", 0);
        cr_assert_not_null(strstr(result.out, part), "\"%s\" is not in:\n%s%s", part, result.out,
                           result.err);
}

static bool slewed_back(void *context) {
        return context == NULL && atomic_load(&clock_now->offset_ns) < NS_PER_S * 9 / 10;
}

/* Logical time: IDs flow on, ahead of the wall clock, and less and less so. Red
 * when decide_behind() leaves the line as it is (the offset stays). */
Test(clock_steps, back_a_second_by_offset) {
        begin();
        step("-1", CLOCK_REASON_OFFSET);
        expect_state(CLOCK_STATE_RUNNING, CLOCK_REASON_OFFSET);
        cr_assert_gt(atomic_load(&clock_now->offset_ns), NS_PER_S / 2);
        expect_ids();
        cr_assert_gt((int64_t)highest_tick(), wall_clock_right_tick() - 700, "ticks went back");
        expect_stat("sfshm_clock_rollbacks_total 1\n");
        expect_stat("sfshm_clock_reason{reason=\"offset\"} 1\n");
        cr_assert(wait_until(slewed_back, NULL, 60000), "it is not slewed back");
        restart_in(CLOCK_STATE_RUNNING, CLOCK_REASON_OFFSET);
        expect_ids();
        step("+0", CLOCK_REASON_SLEWING);
        expect_ids();
        cr_assert_eq(report->takers[0].error, 0, "%s", sfshm_strerror(report->takers[0].error));
        end();
}

/* Calls until one fails; its error, and how long it took. */
static int take_until_error(sfshm *s, int64_t *ret_ns) {
        int64_t until = test_monotonic_ns() + 60 * NS_PER_S;
        int64_t begun;
        uint64_t id;
        int r;

        do {
                begun = test_monotonic_ns();
                r = sfshm_next(s, &id);
                if (r == 0)
                        arena_add(arena, TAKERS, id);
        } while (r == 0 && begun < until);
        *ret_ns = test_monotonic_ns() - begun;
        return r;
}

/* One call without a time-out, made while the clock stands; 0 when it returned. */
static pid_t blocked_caller(sfshm *s) {
        pid_t child = fork_bound();
        uint64_t id;

        if (child == 0) {
                for (int i = 0; i < 5000; i++) /* more than a tick has left */
                        if (sfshm_next(s, &id) != 0)
                                _exit(1);
                _exit(0);
        }
        return child;
}

/* The clock stands still: a call waits, or says why when its time-out has passed; the
 * log says until when; set right again, everything goes on. Red when full()
 * returns -ETIMEDOUT whatever the reason. */
Test(clock_steps, back_half_a_minute_by_waiting) {
        int status = 0;
        int64_t took;
        sfshm *s, *other = NULL;
        pid_t blocked;

        private_daemon_set(&d, "clock.on_rollback=wait");
        begin();
        s = private_daemon_open(&d, 0);
        step("-30", CLOCK_REASON_ROLLBACK);
        expect_state(CLOCK_STATE_WAITING, CLOCK_REASON_ROLLBACK);
        cr_assert_gt(atomic_load(&clock_now->resume_boot_ns), 0);
        cr_assert_lt(atomic_load(&clock_now->resume_boot_ns), INT64_MAX);
        expect_log("No IDs for 3"); /* 30 or 31 s */
        blocked = blocked_caller(s);
        sfshm_set_timeout(s, NS_PER_S / 5);
        cr_assert_eq(take_until_error(s, &took), -ETIME);
        cr_assert_gt(took, NS_PER_S / 10, "it did not wait");
        cr_assert_eq(sfshm_open(&other, d.socket, 0), -ETIME);
        restart_in(CLOCK_STATE_WAITING, CLOCK_REASON_ROLLBACK);
        cr_assert_eq(waitpid(blocked, &status, WNOHANG), 0, "a call did not wait: %#x", status);
        set_right();
        cr_assert_eq(waitpid(blocked, &status, 0), blocked);
        cr_assert_eq(status, 0, "the call that waited failed");
        expect_ids();
        expect_stat("sfshm_state{state=\"running\"} 1\n");
        sfshm_close(s);
        end();
}

/* Every call fails at once, whatever its time-out. Red when clock_held() is
 * not asked. */
Test(clock_steps, back_half_a_minute_by_failing) {
        int64_t took;
        uint64_t id;
        sfshm *s;

        private_daemon_set(&d, "clock.on_rollback=fail");
        begin();
        s = private_daemon_open(&d, 0);
        step("-30", CLOCK_REASON_ROLLBACK);
        expect_state(CLOCK_STATE_FAILED, CLOCK_REASON_ROLLBACK);
        /* nobody has used that tick here: nothing of it is given out any more */
        cr_assert_eq(sfshm_next(s, &id), -ETIME);
        cr_assert_eq(take_until_error(s, &took), -ETIME);
        fprintf(stderr, "the call failed after %.2f ms\n", (double)took / 1e6);
        cr_assert_lt(took, NOTICED_WITHIN_NS);
        restart_in(CLOCK_STATE_FAILED, CLOCK_REASON_ROLLBACK);
        set_right();
        expect_ids();
        sfshm_close(s);
        end();
}

static bool has_stepped(void *context) {
        return context == NULL && (int64_t)highest_tick() > wall_clock_right_tick() + 8000;
}

/* Rule 9: followed, with the fence above and reservations ready. Red when
 * guard_step() moves no line. */
Test(clock_steps, forward_ten_seconds) {
        int64_t begun;

        begin();
        begun = wall_clock_set("+10");
        cr_assert(wait_until(has_stepped, NULL, 30000), "not followed: it is %s",
                  clock_reason_name(reason()));
        fprintf(stderr, "step to +10 s: IDs of it after %.2f ms; longest pause of a client %.2f "
                "ms\n", (double)(test_monotonic_ns() - begun) / 1e6, longest_ms());
        cr_assert_gt(atomic_load(&clock_now->fence), highest_tick(), "U3");
        expect_stat("sfshm_clock_forward_steps_total 1\n");
        cr_assert_eq(report->takers[0].error, 0, "%s", sfshm_strerror(report->takers[0].error));
        restart_in(CLOCK_STATE_RUNNING, CLOCK_REASON_NONE);
        cr_assert(has_stepped(NULL));
        end();
}

/* Held: no ID ever carries a tick of it. Red when the limit is above an hour. */
Test(clock_steps, forward_an_hour_is_held) {
        begin();
        step("+3600", CLOCK_REASON_HELD);
        expect_state(CLOCK_STATE_RUNNING, CLOCK_REASON_HELD);
        expect_ids();
        expect_log("sfshm clock accept");
        expect_stat("sfshm_clock_holds_total 1\n");
        restart_in(CLOCK_STATE_RUNNING, CLOCK_REASON_HELD);
        expect_ids();
        step("+0", CLOCK_REASON_NONE);
        expect_ids();
        for (size_t i = 0; i < TAKERS; i++)
                cr_assert_lt((int64_t)last_tick(i), wall_clock_right_tick() + 1000, "refused");
        cr_assert_eq(report->takers[0].error, 0, "%s", sfshm_strerror(report->takers[0].error));
        end();
}
