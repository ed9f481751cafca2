/* SPDX-License-Identifier: MIT */
/* What the lease counts and tells, for metrics and the log. */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "daemon/lease/fleet/survey.h"
#include "tests/support/capture.h"
#include "tests/unit/support/fleet_hosts.h"

static struct host a, b, c;

static void teardown(void) {
        fleet_host_end(&a);
        fleet_host_end(&b);
        fleet_host_end(&c);
        memory_end(&fleet_hosts.memory);
}

TestSuite(fleet_counters, .fini = teardown);

static int64_t load(const _Atomic int64_t *counter) {
        return atomic_load_explicit(counter, memory_order_relaxed);
}
#define EXPECT(name, value) \
        cr_assert_eq(load(&fleet_hosts.counters.name), value, #name " is %" PRId64, \
                     load(&fleet_hosts.counters.name))

/* Red when the census is not taken at a claim, or a claim without success not counted. */
Test(fleet_counters, claims_and_what_they_found) {
        capture_begin();
        cr_assert_eq(fleet_host_claim(&a, "a", 2), 0);
        cr_assert_contains(capture_take(), "took worker IDs 0-1 of region 0, 0 to 1 in an ID, "
                                           "never used before (event=lease-claimed)");
        EXPECT(claims, 1);
        EXPECT(free, 4);
        EXPECT(waits, 0);
        cr_assert_eq(fleet_host_claim(&b, "b", 1), 0);
        cr_assert_eq(fleet_release(b.fleet, NOW_TICK), 0);
        cr_assert_contains(capture_take(), "(event=lease-released)");
        cr_assert_eq(fleet_host_claim(&c, "c", 4), -EBUSY);
        EXPECT(waits, 1);
        EXPECT(held, 2);
        EXPECT(resting, 1);
        EXPECT(refused, 0);
        EXPECT(free, 1);
        EXPECT(conflicts, 0);
}

static int64_t renewals_in_buckets(void) {
        int64_t n = 0;

        for (unsigned i = 0; i < METRICS_BUCKETS; i++)
                n += (int64_t)atomic_load(&fleet_hosts.counters.renewal.buckets[i]);
        return n;
}

Test(fleet_counters, renewals_and_expiry) {
        cr_assert_eq(fleet_host_claim(&a, "a", 2), 0);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 1000), 0);
        EXPECT(renewals, 1);
        cr_expect_eq(atomic_load(&fleet_hosts.counters.renewal.buckets[0]), 1);
        EXPECT(expirations, 0);
        fleet_hosts.memory.now_ns += 60 * S;
        capture_begin();
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 1000), 0);
        cr_assert_contains(capture_take(), "(event=lease-revived)");
        EXPECT(expirations, 1);
        EXPECT(renewals, 2);
        cr_assert_eq(renewals_in_buckets(), 2);
        a.link.away = true;
        cr_assert_neq(fleet_renew(a.fleet, NOW_TICK + 1000), 0);
        EXPECT(failures, 1);
        EXPECT(renewals, 2);
}

/* A session that was taken away is told of, not only one that was not kept. */
Test(fleet_counters, a_session_that_is_gone) {
        char key[FLEET_KEY_MAX];
        const char *life;
        struct fleet_view *view;

        cr_assert_eq(fleet_host_claim(&a, "a", 2), 0);
        view = fleet_hosts_look();
        life = view->owners[0].record->life;
        memory_put(&fleet_hosts.memory, fleet_key(key, 0, "alive", life), NULL);
        fleet_view_free(view);
        capture_begin();
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 1000), 0);
        cr_assert_contains(capture_take(), "no sign of life of this host any more");
        EXPECT(expirations, 1);
}

/* Another host takes the worker IDs between the look and the claim. */
static int commit_after_another(void *coordinator, const struct coordinator_commit *commit) {
        if (b.fleet == NULL) {
                fleet_hosts.calls = &memory_calls;
                cr_assert_eq(fleet_host_claim(&b, "b", 1), 0);
        }
        return memory_calls.commit(coordinator, commit);
}

Test(fleet_counters, conflicts) {
        struct coordinator_calls meddled = memory_calls;

        meddled.commit = commit_after_another;
        fleet_hosts.calls = &meddled;
        capture_begin();
        cr_assert_eq(fleet_host_claim(&a, "a", 1), -EAGAIN);
        cr_assert_contains(capture_take(), "(event=lease-conflict)");
        EXPECT(conflicts, 1);
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        cr_assert_eq(a.grant.worker_first, 1);
        EXPECT(conflicts, 1);
        EXPECT(lost, 0);
}

static int renew_and_survey(struct host *h) {
        int r = fleet_renew(h->fleet, NOW_TICK + 1000);

        if (r == 0)
                fleet_survey_renewed(h->fleet);
        return r;
}

/* Red when it is read at each renewal, or never again. */
Test(fleet_counters, the_region_is_read_anew_at_every_tenth_renewal) {
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        EXPECT(held, 0);
        for (int i = 0; i < 10; i++)
                cr_assert_eq(renew_and_survey(&a), 0);
        EXPECT(held, 1);
        cr_assert_eq(fleet_host_claim(&b, "b", 2), 0);
        EXPECT(held, 1);
        for (int tens = 1; tens <= 3; tens++) {
                uint64_t lists = fleet_hosts.memory.n_lists;

                for (int i = 0; i < 10; i++)
                        cr_assert_eq(renew_and_survey(&a), 0);
                EXPECT(held, 3);
                EXPECT(free, 1);
                cr_expect_eq(fleet_hosts.memory.n_lists - lists, 1);
        }
        cr_assert_eq(fleet_release(b.fleet, NOW_TICK), 0);
        for (int i = 0; i < 10; i++)
                cr_assert_eq(renew_and_survey(&a), 0);
        EXPECT(held, 1);
        EXPECT(resting, 2);
}

/* Worker IDs that are refused are told of at a claim, not for ever. A reading that fails
 * leaves the numbers. */
Test(fleet_counters, the_region_is_read_anew_in_silence) {
        char key[FLEET_KEY_MAX];

        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        cr_assert_eq(fleet_host_claim(&b, "b", 2), 0);
        fleet_hosts.memory.now_ns += S;
        memory_put(&fleet_hosts.memory, fleet_key(key, 0, "host", fleet_nonce(b.fleet)), NULL);
        capture_begin();
        for (int i = 0; i < 10; i++)
                cr_assert_eq(renew_and_survey(&a), 0);
        EXPECT(refused, 2);
        cr_assert_null(strstr(capture_take(), "coordinator-lost"));
        a.link.away = true;
        for (int i = 0; i < 20; i++)
                fleet_survey_renewed(a.fleet);
        EXPECT(refused, 2);
}
