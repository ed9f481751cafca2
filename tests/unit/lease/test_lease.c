/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>

#include "daemon/lease/lease.h"
#include "daemon/lease/worker_lock.h"
#include "tests/support/capture.h"
#include "tests/support/own_space.h"
#include "tests/support/until.h"

static struct config config;

static void name_space(void) {
        config = (struct config){ .backend = (char *)"local", .space = own_space() };
}
TestSuite(lease, .init = name_space);

/* A backend of the test's own. */
static atomic_int mock_result;
static atomic_int mock_writes;
static atomic_bool mock_blocked;
static _Atomic uint64_t mock_fence;

static int mock_open(void **ret_backend, const struct fleet_kind *kind,
                     const struct config *unused) {
        (void)kind, (void)unused;
        *ret_backend = &mock_fence;
        return 0;
}
static int mock_claim(void *backend, struct lease_grant *ret) {
        (void)backend;
        *ret = (struct lease_grant){ .worker_count = 1, .fence_tick = 10 };
        return 0;
}
static int mock_write(void *backend, uint64_t fence_tick) {
        (void)backend;
        mock_writes++;
        while (mock_blocked)
                until_pause();
        if (mock_result < 0)
                return mock_result;
        mock_fence = fence_tick;
        return 0;
}
static void mock_close(void *backend) {
        (void)backend;
}
static const char *mock_place(void *backend) {
        (void)backend;
        return "the mock";
}
static const char *mock_remedy(void *backend) {
        (void)backend;
        return "mend the mock";
}
static const char *mock_error_text(int error) {
        return strerror(-error);
}
static const struct lease_backend mock = {
        .open = mock_open,
        .claim = mock_claim,
        .write_fence = mock_write,
        .close = mock_close,
        .place = mock_place,
        .remedy = mock_remedy,
        .error_text = mock_error_text,
};

static bool readable(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        return poll(&p, 1, 0) == 1;
}

/* While a write is under way any number of requests become one, for the
 * highest; nothing is shown before it is written; a lower one asks for nothing. */
Test(lease, requests_are_coalesced) {
        struct lease *lease = NULL;

        cr_assert_eq(lease_new(&lease, &mock, NULL, &config), 0);
        lease_raise(lease, 10);
        lease_raise(lease, 5);
        mock_blocked = true;
        lease_raise(lease, 100);
        UNTIL(mock_writes == 1);
        for (uint64_t fence = 101; fence <= 1000; fence++)
                lease_raise(lease, fence);
        lease_raise(lease, 500);
        cr_assert_eq(lease_fence(lease), 10);
        cr_assert_not(readable(lease_fd(lease)));
        mock_blocked = false;
        UNTIL(lease_fence(lease) == 1000);
        cr_assert_eq(mock_writes, 2);
        UNTIL(readable(lease_fd(lease)));
        cr_assert_eq(mock_fence, 1000);
        lease_release(lease, 700);
        cr_assert_eq(mock_writes, 3);
        cr_assert_eq(mock_fence, 700);
}

/* A failing disk: the fence stays, the error is shown and logged once, writing
 * is tried again until it works, and that is logged too. */
Test(lease, a_failed_write_is_tried_again) {
        struct lease *lease = NULL;
        const char *text;

        capture_begin();
        cr_assert_eq(lease_new(&lease, &mock, NULL, &config), 0);
        mock_result = -ENOSPC;
        lease_raise(lease, 100);
        UNTIL(lease_error(lease) == -ENOSPC);
        UNTIL(readable(lease_fd(lease)));
        lease_acknowledge(lease);
        UNTIL(mock_writes >= 3);
        cr_assert_eq(lease_fence(lease), 10);
        lease_raise(lease, 200);
        mock_result = 0;
        UNTIL(lease_fence(lease) == 200);
        UNTIL(lease_error(lease) == 0);
        text = capture_take();
        cr_assert_contains(text, "cannot write the fence to the mock: No space left on device");
        cr_assert_null(strstr(strstr(text, "cannot write") + 1, "cannot write"), "logged twice");
        cr_assert_contains(text, "can be written again");
        lease_release(lease, 150);
        cr_assert_eq(mock_fence, 150);
}

/* Red when wait_for_work() does not answer in either wait. */
Test(lease, answers_the_watchdog_idle_and_between_attempts) {
        struct lease *lease = NULL;

        capture_begin();
        cr_assert_eq(lease_new(&lease, &mock, NULL, &config), 0);
        for (uint32_t question = 1; question <= 1000; question++) {
                lease_ask(lease, question);
                UNTIL(lease_answered(lease, question));
                cr_assert_not(lease_answered(lease, question + 1));
        }
        mock_result = -EIO;
        lease_raise(lease, 100);
        UNTIL(mock_writes >= 4); /* the next wait is up to 0.8 s */
        lease_ask(lease, 2000);
        UNTIL(lease_answered(lease, 2000));
        /* and the answer brought no attempt forward */
        cr_assert_leq(mock_writes, 5);
        lease_release(lease, 50);
}

/* A backend that hangs is no thread that hangs. */
Test(lease, counts_as_alive_while_the_backend_works) {
        struct lease *lease = NULL;

        cr_assert_eq(lease_new(&lease, &mock, NULL, &config), 0);
        mock_blocked = true;
        lease_raise(lease, 100);
        UNTIL(mock_writes == 1);
        lease_ask(lease, 1);
        cr_assert(lease_answered(lease, 1));
        lease_ask(lease, 2);
        cr_assert(lease_answered(lease, 2));
        mock_blocked = false;
        UNTIL(lease_fence(lease) == 100);
        UNTIL(lease_answered(lease, 2));
        UNTIL(!lease_answered(lease, 3));
        lease_release(lease, 50);
}

/* After eight failures the pause is not 3.2 s and more. Red when take_failure() uses
 * RETRY_LAST_COORDINATOR_NS for a disk as well. */
Test(lease, a_full_disk_is_tried_again_within_a_second) {
        struct lease *lease = NULL;
        int64_t at_ns[9], gap_ns;

        cr_assert_eq(lease_new(&lease, &mock, NULL, &config), 0);
        capture_begin();
        mock_result = -ENOSPC;
        lease_raise(lease, 100);
        for (int i = 1; i < 9; i++) {
                UNTIL(mock_writes >= i);
                at_ns[i] = test_monotonic_ns();
        }
        gap_ns = at_ns[8] - at_ns[7];
        if (at_ns[7] - at_ns[6] < gap_ns) /* one of them may come late on a busy machine */
                gap_ns = at_ns[7] - at_ns[6];
        cr_expect_lt(gap_ns, INT64_C(1600000000));
        mock_result = 0;
        UNTIL(lease_fence(lease) == 100);
        lease_release(lease, 0);
}

/* A release does not wait for a retry, and says when it could not write. */
Test(lease, a_release_with_a_broken_disk_ends) {
        struct lease *lease = NULL;

        capture_begin();
        cr_assert_eq(lease_new(&lease, &mock, NULL, &config), 0);
        mock_result = -EIO;
        lease_raise(lease, 100);
        UNTIL(mock_writes >= 4); /* the next wait is up to 0.8 s */
        cr_assert_null(lease_release(lease, 50));
        cr_assert_eq(mock_fence, 0);
        cr_assert_contains(capture_take(), "cannot lower the fence in the mock to");
}

static _Atomic uint32_t mock_run_count = 2;
static _Atomic uint64_t mock_last_tick;

static int mock_grow(void *backend, uint32_t count) {
        (void)backend;
        if (mock_result < 0)
                return mock_result;
        mock_run_count = count;
        return 0;
}
static int mock_shrink(void *backend, uint32_t count, uint64_t last_tick) {
        mock_last_tick = last_tick;
        return mock_grow(backend, count);
}
static uint32_t mock_run(void *backend, uint64_t *ret_above_tick) {
        (void)backend;
        *ret_above_tick = 50;
        return mock_run_count;
}

/* One answer for each wish, also when it is not granted; what came late shows after the
 * next write. Red when the thread does not take a request of another length for work, or
 * does not look at the backend's run after a write. */
Test(lease, a_run_of_another_length) {
        struct lease_backend resizing = mock;
        struct lease *lease = NULL;

        resizing.grow = mock_grow;
        resizing.shrink = mock_shrink;
        resizing.run = mock_run;
        cr_assert_eq(lease_new(&lease, &resizing, NULL, &config), 0);
        cr_assert(lease_run(lease).count == 1 && lease_run(lease).resizes);
        mock_run_count = 1;
        lease_request_growth(lease, 4);
        UNTIL(!lease_run(lease).asked);
        UNTIL(readable(lease_fd(lease)));
        cr_assert(lease_run(lease).count == 4 && lease_run(lease).above_tick == 50);
        cr_assert_eq(lease_fence(lease), 10, "the fence is what it was");
        lease_request_shrink(lease, 2, 777);
        UNTIL(!lease_run(lease).asked);
        cr_assert(lease_run(lease).count == 2 && mock_last_tick == 777);
        mock_result = -EIO;
        lease_request_growth(lease, 4);
        UNTIL(!lease_run(lease).asked);
        cr_assert_eq(lease_run(lease).count, 2);
        mock_result = 0;
        mock_run_count = 4;
        lease_raise(lease, 100);
        UNTIL(lease_run(lease).count == 4);
        lease_release(lease, 700);
}

/* The coordinator gives what another daemon of this host has: one of the same prefix in
 * another cluster. Red when look_at_run() does not lock what is new. */
Test(lease, a_run_does_not_grow_into_what_another_daemon_holds) {
        struct lease_backend resizing = mock;
        struct worker_lock *other = NULL;
        struct lease *lease = NULL;

        capture_begin();
        resizing.grow = mock_grow;
        resizing.shrink = mock_shrink;
        resizing.run = mock_run;
        mock_run_count = 1;
        cr_assert_eq(worker_lock_new(&other, &config, 3, 1), 0);
        cr_assert_eq(lease_new(&lease, &resizing, NULL, &config), 0);
        lease_request_growth(lease, 4);
        UNTIL(!lease_run(lease).asked);
        cr_assert_eq(lease_run(lease).count, 1);
        cr_assert_contains(capture_take(), "worker ID 3 is another daemon's");
        worker_lock_free(other);
        lease_request_growth(lease, 4);
        UNTIL(!lease_run(lease).asked);
        cr_assert_eq(lease_run(lease).count, 4);
        cr_assert_eq(worker_lock_new(&other, &config, 3, 1), -EEXIST);
        lease_request_shrink(lease, 2, 777);
        UNTIL(!lease_run(lease).asked);
        cr_assert_eq(worker_lock_new(&other, &config, 1, 1), -EEXIST);
        cr_assert_eq(worker_lock_new(&other, &config, 2, 2), 0, "they were given back");
        worker_lock_free(other);
        lease_release(lease, 700);
}

/* ---- a backend that renews */

static int64_t due_at_once(void *backend) {
        (void)backend;
        return 0;
}

/* A clock that waits to be set, or for a fence, says nothing about IDs: a fence by it
 * could be years ahead, and never comes down. Red when next_fence() follows it. */
Test(lease, a_clock_of_which_nobody_has_an_id_raises_no_fence) {
        struct lease_backend renewing = mock;
        struct config far = { .backend = config.backend, .space = config.space,
                              .horizon_ns = INT64_C(600000000000) };
        static struct clock_segment clock;
        struct clock_line line = { .guarded_base_ns = INT64_C(86400000000000) };
        struct lease *lease = NULL;
        int writes;

        renewing.renew_due = due_at_once;
        clock.layout = (struct id_layout){ .tick_bits = 41, .worker_bits = 10,
                                           .sequence_bits = 12 };
        clock_latch_write(&clock, &line);
        atomic_store(&clock.unserved, 1);
        cr_assert_eq(lease_new(&lease, &renewing, NULL, &far), 0);
        lease_start_renewal(lease, &clock);
        UNTIL(mock_writes >= 3);
        cr_assert_eq(mock_fence, 10);
        lease_raise(lease, 20);
        UNTIL(lease_fence(lease) == 20);
        atomic_store(&clock.unserved, 0);
        writes = mock_writes;
        UNTIL(mock_writes >= writes + 2);
        cr_assert_geq(mock_fence, UINT64_C(87000000));
        lease_release(lease, 50);
        cr_assert_eq(mock_fence, 50);
}

/* ---- a claim that takes its time */

static int blocked_claim(void *backend, struct lease_grant *ret) {
        while (mock_blocked)
                until_pause();
        return mock_claim(backend, ret);
}

/* A reload gives the configuration other values for a moment, while the thread claims. Red when
 * it locks the worker IDs by those. */
Test(lease, a_reload_during_the_claim_changes_no_lock) {
        struct lease_backend slow = mock;
        struct config before = config;
        struct worker_lock *other = NULL;
        struct lease *lease = NULL;

        capture_begin();
        slow.claim = blocked_claim;
        mock_blocked = true;
        /* any kind of coordinator: the thread claims */
        cr_assert_eq(lease_new(&lease, &slow, (const struct fleet_kind *)(const void *)&mock,
                               &config), 0);
        config.space = (char *)"another space";
        mock_blocked = false;
        UNTIL(lease_claim(lease).over);
        cr_assert_eq(lease_claim(lease).error, 0);
        cr_expect_eq(worker_lock_new(&other, &before, 0, 1), -EEXIST);
        lease_release(lease, 0);
}

static int blocked_release(void *backend, uint64_t fence_tick) {
        while (mock_blocked)
                until_pause();
        return mock_write(backend, fence_tick);
}

/* The coordinator hangs after a claim for which nobody waits any more. Red (it hangs too) when
 * whoever gives up makes the release. */
Test(lease, a_release_that_hangs_is_given_up) {
        struct lease_backend slow = mock;
        struct lease *lease = NULL;

        slow.release = blocked_release;
        cr_assert_eq(lease_new(&lease, &slow, (const struct fleet_kind *)(const void *)&mock,
                               &config), 0);
        UNTIL(lease_claim(lease).over);
        mock_blocked = true;
        cr_assert_not(lease_give_up(lease));
        mock_blocked = false;
        UNTIL(mock_writes == 1);
        cr_expect_eq(mock_fence, 10);
        cr_assert(lease_give_up(lease));
}

/* The same at a clean stop. */
Test(lease, a_clean_stop_waits_for_no_hanging_coordinator) {
        struct lease_backend slow = mock;
        struct lease *lease = NULL;

        slow.release = blocked_release;
        cr_assert_eq(lease_new(&lease, &slow, (const struct fleet_kind *)(const void *)&mock,
                               &config), 0);
        UNTIL(lease_claim(lease).over);
        mock_blocked = true;
        capture_begin();
        cr_assert_eq(lease_release(lease, 50), lease);
        cr_assert_contains(capture_take(), "event=fence-release");
        mock_blocked = false;
        UNTIL(mock_fence == 50);
        cr_assert_null(lease_release(lease, 50));
}
