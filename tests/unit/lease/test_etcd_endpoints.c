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
        etcd_endpoints_serves(&endpoints, 0);
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

/* Each kind once; and the end. Red when only the first failure of all is told. */
Test(etcd_endpoints, failures_are_told_once) {
        const char *text;

        take();
        capture_begin();
        for (int i = 0; i < 100; i++) {
                etcd_endpoints_tell(&endpoints, 0, 28, "timed out");
                etcd_endpoints_tell(&endpoints, 0, 7, "refused");
                etcd_endpoints_tell(&endpoints, 1, 7, "refused");
        }
        text = capture_take();
        cr_assert_contains(text, "http://a:1 does not serve: timed out");
        cr_assert_contains(text, "http://a:1 does not serve: refused");
        cr_assert_contains(text, "http://b:2 does not serve: refused");
        cr_expect_null(strstr(strstr(text, "timed out") + 1, "timed out"), "%s", text);
        for (uint32_t kind = 100; kind < 200; kind++)
                etcd_endpoints_tell(&endpoints, 0, kind, "something else");
        cr_expect_lt(strlen(capture_take()), 1000);
        etcd_endpoints_serves(&endpoints, 0);
        etcd_endpoints_serves(&endpoints, 0);
        text = capture_take();
        cr_assert_contains(text, "http://a:1 serves again");
        cr_expect_lt(strlen(text), 200);
        etcd_endpoints_serves(&endpoints, 2);
        cr_expect_str_eq(capture_take(), "");
}
