/* SPDX-License-Identifier: MIT */
/* Hosts of two releases on one coordinator: values of the next version are read, and what
 * this release does not know of them stays (F1). Built once for each coordinator, as
 * SFSHM_TEST_COORDINATOR says. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/support/daemon_log.h"
#include "tests/support/coordinator.h"
#include "tests/support/tool.h"

TestSuite(versions, .timeout = 200);

static const struct test_coordinator *const coordinator = &SFSHM_TEST_COORDINATOR;
static struct private_daemon a, b, of_region_1, newcomer;

static void prepare(struct private_daemon *d) {
        private_daemon_prepare(d);
        coordinator->configure(d);
        private_daemon_set(d, "id.region_bits=1");
}

static void begin(void) {
        coordinator->begin();
        prepare(&a);
        prepare(&b);
        prepare(&of_region_1);
        private_daemon_set(&of_region_1, "id.region=1");
        prepare(&newcomer);
        private_daemon_set(&newcomer, "id.region=1");
}

static void end(void) {
        private_daemon_remove(&a);
        private_daemon_remove(&b);
        private_daemon_remove(&of_region_1);
        private_daemon_remove(&newcomer);
        coordinator->end();
}

/* The only key below the prefix, as a later release may write it. */
static void make_later(const char *prefix, int version) {
        static const char now[] = "\"version\":1";
        char *key = coordinator->list(prefix), *value = key, *at, text[2048];

        (void)strsep(&value, " ");
        cr_assert_not_null(value, "there is no key below %s", prefix);
        value[strcspn(value, "\n")] = '\0';
        at = strstr(value, now);
        cr_assert_not_null(at, "%s", value);
        snprintf(text, sizeof(text), "%.*s\"version\":%d,\"colour\":\"red\"%s", (int)(at - value),
                 value, version, at + strlen(now));
        coordinator->put(key, text);
        free(key);
}

static void expect_kept(const char *prefix, const char *part) {
        char *text = coordinator->list(prefix);

        cr_expect_not_null(strstr(text, "\"version\":2"), "%s", text);
        cr_expect_not_null(strstr(text, "\"colour\":\"red\""), "%s", text);
        cr_expect_not_null(strstr(text, part), "%s is not in %s", part, text);
        free(text);
}

/* Red when a reader wants its own version, and when a writer leaves out what it does not
 * know. */
Test(versions, the_next_version_is_read_and_kept) {
        static struct tool_result result;
        uint64_t id;

        begin();
        private_daemon_start(&a);
        cr_assert_eq(private_daemon_next(&a, &id), 0);
        private_daemon_stop(&a);
        make_later("contract", 2);
        make_later("region/0/used", 2);
        make_later("region/0/host/", 2);
        cr_assert_eq(tool_run_with(&result, &b, TOOL_ARGUMENTS("workers", "--release", "0", "--yes")), 0,
                     "%s", result.err);
        expect_kept("region/0/host/", "\"state\":\"freed\"");

        private_daemon_start(&b);
        cr_assert_eq(private_daemon_next(&b, &id), 0);
        expect_kept("region/0/used", "\"claims\":2");
        private_daemon_stop(&b);
        private_daemon_start(&of_region_1);
        cr_assert_eq(private_daemon_next(&of_region_1, &id), 0);
        expect_kept("contract", "\"regions\":\"0-1\"");
        private_daemon_stop(&of_region_1);

        /* a downgrade: its own record may say what this release does not know */
        cr_assert_eq(private_daemon_start_fails(&a), 3);
        expect_log(&a, "event=coordinator-version");
        expect_log(&a, "is of a later version of sfshmd: run that version");
        make_later("region/1/used", 3);
        cr_assert_eq(private_daemon_start_fails(&newcomer), 3);
        expect_log(&newcomer, "of another version of sfshmd which this one does not understand");
        end();
}
