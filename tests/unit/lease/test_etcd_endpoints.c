/* SPDX-License-Identifier: MIT */
/* Which member is asked, and when one that failed is asked again: time is injected. */
#include <criterion/criterion.h>
#include <string.h>

#include "daemon/lease/etcd/endpoints.h"
#include "tests/support/capture.h"

#define MS INT64_C(1000000)

static struct etcd_endpoints endpoints;

static void take(void) {
        etcd_endpoints_take(&endpoints, "http://a:1, http://b:2,http://c:3");
        endpoints.current = 0;
}

Test(etcd_endpoints, each_address_is_one) {
        take();
        cr_expect_eq(endpoints.n, 3);
        cr_expect_str_eq(endpoints.list[1].url, "http://b:2");
}

/* Hosts of one configuration do not all begin with the same one. */
Test(etcd_endpoints, the_first_one_is_drawn) {
        bool seen[3] = { false };

        for (int i = 0; i < 300; i++) {
                etcd_endpoints_take(&endpoints, "http://a:1, http://b:2,http://c:3");
                seen[endpoints.current] = true;
        }
        cr_expect(seen[0] && seen[1] && seen[2]);
}

/* Half to all of 0.5 s, 1 s, 2 s ... 30 s. Red when a pause is not doubled, or has no end. */
Test(etcd_endpoints, a_breaker_opens_for_longer_each_time) {
        int64_t pause = 500 * MS;

        take();
        for (int i = 0; i < 12; i++) {
                int64_t now = 1000000 * MS * i;

                endpoints.current = 0;
                cr_assert_eq(etcd_endpoints_choose(&endpoints, now), 0, "half open: once more");
                etcd_endpoints_trip(&endpoints, 0, now);
                cr_expect_geq(endpoints.list[0].open_ns - now, pause / 2);
                cr_expect_leq(endpoints.list[0].open_ns - now, pause);
                cr_assert_eq(endpoints.current, 1);
                endpoints.current = 0;
                cr_assert_eq(etcd_endpoints_choose(&endpoints, now + pause / 2 - 1), 1);
                pause = pause * 2 > 30000 * MS ? 30000 * MS : pause * 2;
        }
        etcd_endpoints_serves(&endpoints, 0, "kv/range", 0);
        etcd_endpoints_trip(&endpoints, 0, 0);
        cr_expect_leq(endpoints.list[0].open_ns, 500 * MS, "from the beginning");
}

/* None is left: the one that may be asked first, and never nobody. */
Test(etcd_endpoints, with_all_breakers_open_one_is_asked) {
        take();
        for (size_t i = 0; i < 3; i++)
                etcd_endpoints_trip(&endpoints, i, 1000 * MS * (int64_t)(2 - i));
        cr_assert_eq(etcd_endpoints_choose(&endpoints, 0), 2);
}

static unsigned count_of(const char *text, const char *part) {
        unsigned n = 0;

        for (; (text = strstr(text, part)) != NULL; text++)
                n++;
        return n;
}

/* One pair of lines, whatever fails in between. Red with a line for each kind of failure. */
Test(etcd_endpoints, an_incident_is_told_once) {
        const char *text;

        take();
        capture_begin();
        for (int i = 0; i < 100; i++) {
                etcd_endpoints_fails(&endpoints, 0, "kv/txn", "timed out", 0);
                etcd_endpoints_fails(&endpoints, 0, "kv/txn", "refused", 1000 * MS);
                etcd_endpoints_fails(&endpoints, 1, "kv/range", "refused", 2000 * MS);
        }
        text = capture_take();
        cr_assert_contains(text, "http://a:1 does not serve kv/txn: timed out");
        cr_assert_contains(text, "nor does etcd at http://b:2 serve kv/range: refused");
        cr_expect_eq(count_of(text, "event=etcd-away"), 1, "%s", text);
        cr_expect_eq(count_of(text, "event=etcd-endpoint"), 1, "%s", text);
        for (int i = 0; i < 3; i++)
                etcd_endpoints_serves(&endpoints, 2, "kv/txn", 9500 * MS);
        text = capture_take();
        cr_assert_contains(text, "http://c:3 serves again, after 9 s");
        cr_expect_eq(count_of(text, "event=etcd-back"), 1, "%s", text);
        etcd_endpoints_fails(&endpoints, 1, "kv/txn", "refused", 0);
        cr_assert_contains(capture_take(), "http://b:2 does not serve");
}

/* A full database takes no commits, but answers all the rest. Red when any answer ends the
 * incident: then each renewal is a pair of lines. */
Test(etcd_endpoints, a_commit_that_fails_is_back_with_a_commit) {
        take();
        capture_begin();
        for (int i = 0; i < 20; i++) {
                etcd_endpoints_fails(&endpoints, 0, "kv/txn", "full", 0);
                etcd_endpoints_serves(&endpoints, 0, "lease/keepalive", 0);
                etcd_endpoints_serves(&endpoints, 0, "kv/range", 0);
        }
        cr_expect_eq(count_of(capture_take(), "event="), 1);
        etcd_endpoints_serves(&endpoints, 0, "kv/txn", 0);
        cr_assert_contains(capture_take(), "event=etcd-back");
        etcd_endpoints_fails(&endpoints, 0, "kv/range", "cut", 0);
        etcd_endpoints_serves(&endpoints, 0, "kv/txn", 0);
        cr_assert_contains(capture_take(), "event=etcd-back");
}

/* Red when two calls that are refused in turn are told each time. */
Test(etcd_endpoints, a_refusal_is_told_once) {
        take();
        capture_begin();
        for (int i = 0; i < 20; i++) {
                etcd_endpoints_refuses(&endpoints, 0, "kv/range", "permission denied");
                etcd_endpoints_refuses(&endpoints, 0, "kv/txn", "permission denied");
                etcd_endpoints_serves(&endpoints, 0, "lease/keepalive", 0);
        }
        cr_expect_eq(count_of(capture_take(), "event="), 1);
        etcd_endpoints_serves(&endpoints, 0, "kv/range", 0);
        cr_assert_contains(capture_take(), "grants access again for kv/range");
}
