/* SPDX-License-Identifier: MIT */
/* Sources are called when they are ready, rounds in their order and when they are due. */
#include <criterion/criterion.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon/util/event.h"
#include "daemon/util/time.h"

static struct event_loop loop;

static void setup(void) {
        cr_assert_eq(event_loop_open(&loop), 0);
}

static void teardown(void) {
        event_loop_close(&loop);
}

TestSuite(event, .init = setup, .fini = teardown);

struct seen {
        int n;
        uint32_t events;
        struct event_source *remove;
};

static void note(void *context, uint32_t events, int64_t now_ns) {
        struct seen *seen = context;

        cr_assert(now_ns > 0 && now_ns <= time_ns(CLOCK_BOOTTIME));
        seen->n++;
        seen->events = events;
        if (seen->remove != NULL)
                event_remove(&loop, seen->remove);
}

/* Red when a source that is not listened to is called for data, or not for a hang-up. */
Test(event, a_source_that_is_not_listened_to_tells_of_hang_ups_only) {
        int sockets[2], other = eventfd(1, 0);
        struct seen seen = { .n = 0 }, others = { .n = 0 };
        struct event_source source, beside = { other, note, &others };

        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets), 0);
        source = (struct event_source){ sockets[0], note, &seen };
        cr_assert_eq(event_add(&loop, &source), 0);
        cr_assert_eq(event_add(&loop, &beside), 0);
        cr_assert_eq(write(sockets[1], "x", 1), 1);
        cr_assert_eq(event_dispatch(&loop), 0);
        cr_expect_eq(seen.n, 1);
        cr_assert_eq(event_listen(&loop, &source, false), 0);
        cr_assert_eq(event_dispatch(&loop), 0);
        cr_expect_eq(seen.n, 1);
        close(sockets[1]);
        cr_assert_eq(event_dispatch(&loop), 0);
        cr_expect_eq(seen.n, 2);
        cr_expect_neq(seen.events & EPOLLHUP, 0);
        event_remove(&loop, &source);
        cr_assert_eq(event_dispatch(&loop), 0);
        cr_expect_eq(seen.n, 2);
        cr_expect_eq(others.n, 4);
        close(sockets[0]);
        close(other);
}

/* ---- rounds */

static char order[8];
static int64_t due_ns[2];

static int64_t first_ns;
static bool updates;

static int64_t first(void *context, int64_t now_ns) {
        cr_assert_eq(context, order);
        cr_assert(now_ns <= time_ns(CLOCK_BOOTTIME));
        strcat(order, "1");
        first_ns = now_ns;
        while (updates && time_ns(CLOCK_BOOTTIME) == now_ns)
                continue;
        if (updates)
                event_update_time(&loop);
        return due_ns[0];
}

static int64_t second(void *context, int64_t now_ns) {
        cr_assert_eq(context, order);
        cr_assert(updates ? now_ns > first_ns : now_ns == first_ns);
        strcat(order, "2");
        return due_ns[1];
}

static const event_round rounds[] = { first, second };

/* Waits for the timer. Red when it is set to the first or the last of the rounds' times
 * instead of the earliest, or when one that has passed disarms it. */
Test(event, rounds_run_in_order_and_when_the_earliest_is_due) {
        static const int64_t past[] = { INT64_MIN, 0, 1 };

        for (unsigned i = 0; i < 2; i++) {
                int64_t begin_ns = time_ns(CLOCK_BOOTTIME);

                order[0] = '\0';
                due_ns[i] = begin_ns + NS_PER_MS;
                due_ns[1 - i] = INT64_MAX;
                event_run_rounds(&loop, rounds, 2, order);
                cr_expect_str_eq(order, "12");
                cr_assert_eq(event_dispatch(&loop), 0);
                cr_expect_geq(time_ns(CLOCK_BOOTTIME), due_ns[i]);
        }
        for (unsigned i = 0; i < sizeof(past) / sizeof(past[0]); i++) {
                order[0] = '\0';
                due_ns[0] = past[i];
                event_run_rounds(&loop, rounds, 2, order);
                cr_assert_eq(event_dispatch(&loop), 0);
        }
}

/* Red when each round reads the time anew, or none ever does: second() asserts it. */
Test(event, rounds_have_one_time_unless_it_is_updated) {
        due_ns[0] = due_ns[1] = INT64_MAX;
        event_run_rounds(&loop, rounds, 2, order);
        updates = true;
        event_run_rounds(&loop, rounds, 2, order);
}

/* Red when the timer stays armed: it would wake an idle process. */
Test(event, nothing_due_disarms_the_timer) {
        struct itimerspec at;

        due_ns[0] = due_ns[1] = time_ns(CLOCK_BOOTTIME) + 3600 * NS_PER_S;
        event_run_rounds(&loop, rounds, 2, order);
        cr_assert_eq(timerfd_gettime(loop.timer_fd, &at), 0);
        cr_assert_gt(at.it_value.tv_sec, 0);
        due_ns[0] = due_ns[1] = INT64_MAX;
        order[0] = '\0';
        event_run_rounds(&loop, rounds, 2, order);
        cr_assert_eq(timerfd_gettime(loop.timer_fd, &at), 0);
        cr_expect(at.it_value.tv_sec == 0 && at.it_value.tv_nsec == 0);
}
