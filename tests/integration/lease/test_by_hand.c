/* SPDX-License-Identifier: MIT */
/* Any coordinator (etcd alone: test_etcd_by_hand.c): the operator changes or deletes keys of
 * hosts that run or start (F1, U3). Built once for each coordinator, as
 * SFSHM_TEST_COORDINATOR says. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/support/daemon_log.h"
#include "tests/support/coordinator.h"

TestSuite(by_hand, .timeout = 200);

static const struct test_coordinator *const coordinator = &SFSHM_TEST_COORDINATOR;
static struct private_daemon d, other;

static void begin(void) {
        coordinator->begin();
        private_daemon_prepare(&d);
        private_daemon_prepare(&other);
        coordinator->configure(&d);
        coordinator->configure(&other);
        private_daemon_set(&d, "workers.horizon=4s");
        private_daemon_set(&d, "reserve.standing=1s");
}

static void end(void) {
        private_daemon_remove(&d);
        private_daemon_remove(&other);
        coordinator->end();
}

/* The only key below the prefix, or itself; *ret_value is in the same memory. */
static char *only(const char *prefix, char **ret_value) {
        char *key = coordinator->list(prefix), *value = key;

        (void)strsep(&value, " ");
        cr_assert_not_null(value, "there is no key below %s", prefix);
        value[strcspn(value, "\n")] = '\0';
        *ret_value = value;
        return key;
}

static bool no_id(void *context) {
        uint64_t id;

        return sfshm_next(context, &id) == -ENOTCONN;
}

static bool is_held_back(void *context) {
        uint64_t id;

        return sfshm_next(context, &id) == -ETIME;
}

/* It may be another coordinator, of other hosts: nothing is written there, and IDs end at the
 * fence. Nobody guesses what was there. */
Test(by_hand, all_keys_deleted_under_a_host) {
        char *keys;
        uint64_t id;
        sfshm *s;

        begin();
        private_daemon_start(&d);
        cr_assert_eq(private_daemon_next(&d, &id), 0);
        s = private_daemon_open(&d, 0);
        sfshm_set_timeout(s, 0);
        coordinator->remove("");
        wait_for_log(&d, "event=coordinator-lost");
        cr_assert(wait_until(is_held_back, s, 60000), "IDs beyond what it was promised");
        keys = coordinator->list("");
        cr_expect_str_empty(keys);
        free(keys);
        sfshm_close(s);
        private_daemon_stop(&d);
        cr_assert_eq(private_daemon_start_fails(&d), 3);
        expect_log(&d, "but this host had worker IDs from it");
        end();
}

/* Another host has the worker IDs: who has a reservation gets no further ID, however long it
 * is, since the other host may have been shown an old fence. Red when the daemon ends without
 * end_promises(). */
Test(by_hand, lost_worker_ids_are_used_no_more) {
        char *key, *value, *life;
        uint64_t id;
        sfshm *s;
        int status;

        begin();
        private_daemon_set(&d, "workers.horizon=600s");
        private_daemon_set(&d, "reserve.standing=300s");
        private_daemon_start(&d);
        cr_assert_eq(private_daemon_next(&d, &id), 0);
        s = private_daemon_open(&d, 0);
        sfshm_set_timeout(s, 0);
        cr_assert_eq(sfshm_next(s, &id), 0);
        key = only("region/0/host/", &value);
        life = strstr(value, "\"life\":\"");
        cr_assert_not_null(life);
        life[8] = life[8] == '0' ? '1' : '0';
        coordinator->put(key, value);
        wait_for_log(&d, "event=lease-lost");
        status = private_daemon_signal(&d, 0, true);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %#x", (unsigned)status);
        cr_assert(wait_until(no_id, s, 60000), "IDs of another host's worker ID");
        sfshm_close(s);
        free(key);
        end();
}

/* Its own record damaged under it: it writes nothing, and goes on once it is put back. */
Test(by_hand, a_damaged_record_is_put_back) {
        char *key, *value;
        uint64_t id;

        begin();
        private_daemon_start(&d);
        cr_assert_eq(private_daemon_next(&d, &id), 0);
        /* or it renews in between, and what is put back is not what it wrote last */
        private_daemon_signal(&d, SIGSTOP, false);
        key = only("region/0/host/", &value);
        coordinator->put(key, "mistyped");
        private_daemon_signal(&d, SIGCONT, false);
        wait_for_log(&d, "own, is damaged or of another version: put back its value by hand");
        coordinator->put(key, value);
        wait_for_log(&d, "event=fence-recovered");
        cr_assert_eq(private_daemon_next(&d, &id), 0);
        private_daemon_stop(&d);
        free(key);
        end();
}

static void expect_refused(const char *words) {
        forget_log(&other);
        cr_expect_eq(private_daemon_start_fails(&other), 3, "%s", words);
        expect_log(&other, words);
}

/* Each of the keys which all hosts share, and each of the things that must agree. */
Test(by_hand, what_is_mistyped_or_differs_is_refused) {
        static const char *const bad[] = {
                "", "{", "[]", "7", "{\"version\":1}", "{\"version\":\"1\"}",
                "{\"version\":1,\"workers\":\"0\",\"claims\":-1}",
                "{\"version\":1,\"workers\":\"1024\",\"claims\":1}",
                "{\"version\":1,\"workers\":\"0\",\"claims\":1,\"more\":1}",
                "{\"version\":1,\"workers\":\"0\",\"workers\":\"1\",\"claims\":1}",
                ("{\"version\":1,\"space\":\"00112233445566778899aabbccddeeff\",\"layout\":\"41/10/12\",\"region_bits\":11,\"epoch_unix_ms\":0,"
                 "\"regions\":\"0\"}"),
        };
        static const char *const keys[] = { "contract", "region/0/used" };
        char *key, *value;

        begin();
        private_daemon_start(&d);
        close(open(other.log, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        for (size_t k = 0; k < 2; k++) {
                key = only(keys[k], &value);
                for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                        coordinator->put(keys[k], bad[i]);
                        expect_refused(keys[k]);
                }
                coordinator->put(keys[k], "{\"version\":2}");
                expect_refused("of another version");
                coordinator->put(keys[k], value);
                free(key);
        }
        private_daemon_set(&other, "id.layout=40/11/12");
        expect_refused("says layout 41/10/12");
        private_daemon_set(&other, "id.layout=41/10/12");
        private_daemon_set(&other, "id.region_bits=2");
        expect_refused("0 region bits");
        private_daemon_set(&other, "id.region_bits=0");
        private_daemon_set(&other, "id.epoch=2024-01-01T00:00:00Z");
        expect_refused("the epoch at Unix time");
        private_daemon_set(&other, "id.epoch=2025-01-01T00:00:00Z");
        private_daemon_start(&other);
        private_daemon_stop(&other);
        private_daemon_stop(&d);
        end();
}
