/* SPDX-License-Identifier: MIT */
/*
 * U1, U3: the answer to each commit of each operation is lost, one after the other: it is done,
 * is done later or never, or the coordinator is away. Then the host goes on, or crashes and starts
 * again.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "daemon/lease/fleet/internal.h"
#include "tests/support/capture.h"
#include "tests/unit/support/fleet_hosts.h"

#define WORKERS 4u
#define HORIZON (30 * 1000) /* ticks */
#define COMMITS 4u          /* no operation has more */

static struct host a, others[WORKERS];
static uint64_t told;              /* the fence that the host may have used */
static uint64_t promised[WORKERS]; /* up to that tick IDs of it may exist */

/* ---- what a daemon does, as fleet/backend.c */

static void remember(void) {
        fleet_remember(a.fleet, &a.memory);
}

static int renew_to(uint64_t fence_tick) {
        int r = fleet_renew(a.fleet, fence_tick);

        if (r == 0) {
                told = fence_tick;
                remember();
        }
        return r;
}

static int renew(void) {
        return renew_to(NOW_TICK + HORIZON);
}

static int renew_far(void) {
        return renew_to(NOW_TICK + HORIZON_MS + HORIZON);
}

static int renew_in_another_session(void) {
        fleet_hosts.memory.now_ns += TTL;
        return renew();
}

static int grow(void) {
        uint64_t above_tick;
        int r = fleet_grow(a.fleet, 3);

        if (fleet_run(a.fleet, &above_tick) == 3)
                promised[2] = told;
        return r;
}

/* What it gives back it has used up to now. */
static int shrink(void) {
        remember();
        a.memory.count = 1;
        promised[1] = NOW_TICK;
        return fleet_shrink(a.fleet, 1, NOW_TICK);
}

static int release(void) {
        remember();
        a.memory.fence_tick = told = NOW_TICK;
        return fleet_release(a.fleet, NOW_TICK);
}

static int (*const operations[])(void) = { renew, renew_far, renew_in_another_session, grow, shrink,
                                           release };

/* ---- one history */

struct loss {
        enum memory_loss kind;
        enum { NEVER, AT_ONCE, AFTER_THE_RESTART } arrives;
};

static const struct loss losses[] = {
        { MEMORY_ANSWER_LOST, NEVER },
        { MEMORY_AWAY, NEVER },
        { MEMORY_REQUEST_LATE, NEVER },
        { MEMORY_REQUEST_LATE, AT_ONCE },
        { MEMORY_REQUEST_LATE, AFTER_THE_RESTART },
};

static void begin(void) {
        memset(&a, 0, sizeof(a));
        memset(others, 0, sizeof(others));
        memset(promised, 0, sizeof(promised));
        cr_assert_eq(fleet_host_claim(&a, "a", 2), 0);
        a.fleet->parts.max_count = 3;
        cr_assert_eq(renew(), 0);
        promised[0] = promised[1] = told;
        fleet_hosts.memory.now_ns += 5 * S;
}

static void end(void) {
        fleet_host_end(&a);
        for (unsigned i = 0; i < WORKERS; i++)
                fleet_host_end(&others[i]);
        if (a.link.late != NULL)
                memory_late_free(a.link.late);
        memory_end(&fleet_hosts.memory);
}

static void deliver(bool now) {
        if (now && a.link.late != NULL)
                (void)memory_deliver(&a.link);
}

static void restart(void) {
        struct memory_late *late = a.link.late;
        int r = -EAGAIN;

        fleet_host_end(&a);
        fleet_hosts.memory.now_ns += S;
        for (int i = 0; i < 3 && r == -EAGAIN; i++)
                r = fleet_host_claim(&a, "a", 2);
        a.link.late = late;
        cr_assert_eq(r, 0, "it does not start: %d", r);
        cr_assert_eq(a.grant.worker_first, 0, "it has other worker IDs");
}

static bool is_owned_once(uint32_t worker) {
        struct fleet_view *view = fleet_hosts_look();
        struct worker_set one = { .bits = { 0 } };
        unsigned n = 0;

        worker_set_add(&one, worker);
        for (size_t i = 0; i < view->n_owners; i++)
                n += record_brief_has_any(view->owners[i].record, &one);
        fleet_view_free(view);
        return n <= 1;
}

/* Other hosts take what is left, when it has rested. */
static void expect_others_begin_above(void) {
        uint32_t own = worker_set_count(&a.fleet->record.workers);

        for (int i = 0; i < 80; i++) {
                fleet_hosts.memory.now_ns += 10 * S;
                cr_assert_eq(renew(), 0);
        }
        for (uint32_t i = own; i < WORKERS; i++) {
                char name[] = { (char)('p' + i), '\0' };

                cr_assert_eq(fleet_host_claim(&others[i], name, 1), 0, "%u of %u", i, own);
                cr_assert_geq(others[i].grant.worker_first, own);
                cr_assert_geq(others[i].grant.fence_tick,
                              promised[others[i].grant.worker_first]);
        }
}

/* False: the operation has no such commit. */
static bool lose(int (*operation)(void), const struct loss *loss, unsigned commit, bool crash) {
        bool was_lost;

        begin();
        a.link.commit_loss = loss->kind;
        a.link.commits_before = commit;
        (void)operation();
        was_lost = a.link.commit_loss == MEMORY_WELL;
        a.link.commit_loss = MEMORY_WELL;
        deliver(loss->arrives == AT_ONCE);
        promised[0] = told > promised[0] ? told : promised[0];
        if (crash || operation == release)
                restart();
        deliver(loss->arrives == AFTER_THE_RESTART);
        cr_assert_eq(renew(), 0, "it does not go on");
        for (uint32_t w = 0; w < WORKERS; w++)
                cr_assert(is_owned_once(w), "worker ID %u", w);
        expect_others_begin_above();
        end();
        return was_lost;
}

/* Red when a lost answer is taken for a commit that was not done (fleet_session_is_unknown()), and
 * when what is given back has no fence (fleet_give_back()). */
Test(lost_answers, U1_U3_of_each_commit_of_each_operation) {
        unsigned lost = 0;

        capture_begin();
        for (size_t o = 0; o < sizeof(operations) / sizeof(*operations); o++)
                for (size_t l = 0; l < sizeof(losses) / sizeof(*losses); l++)
                        for (unsigned commit = 0; commit < 2 * COMMITS; commit++)
                                lost += lose(operations[o], &losses[l], commit / 2, commit % 2);
        (void)capture_take();
        cr_assert_geq(lost, 2 * 7 * 5, "each operation has one, and the far renewal two");
}
