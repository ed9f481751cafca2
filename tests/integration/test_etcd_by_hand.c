/* SPDX-License-Identifier: MIT */
/* F1, U3: what people do to the keys of hosts that run, and of such as begin. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "tests/integration/etcd_daemon.h"

TestSuite(etcd_by_hand, .timeout = 200);

static struct etcd_nodes nodes = { .n = 1 };
static struct private_daemon d, other;

static void begin(void) {
        etcd_nodes_begin(&nodes);
        etcd_daemon_prepare(&d, nodes.endpoints);
        etcd_daemon_prepare(&other, nodes.endpoints);
        private_daemon_set(&d, "workers.horizon=4s");
        private_daemon_set(&d, "reserve.standing=1s");
}

static void end(void) {
        private_daemon_remove(&d);
        private_daemon_remove(&other);
        etcd_nodes_end(&nodes);
}

static void ctl(char *const arguments[]) {
        char *text = etcd_nodes_ctl(&nodes, arguments);

        cr_assert_not_null(text, "etcdctl %s %s", arguments[0], arguments[1]);
        free(text);
}
#define CTL(...) ctl((char *[]){ __VA_ARGS__, NULL })

/* The value of the only key below the prefix; with `key` its name. */
static char *only(const char *prefix, bool key) {
        char *text = NODES_CTL(&nodes, "get", "--prefix", key ? "--keys-only" : "--print-value-only",
                               (char *)prefix);

        cr_assert_not_null(text);
        text[strcspn(text, "\n")] = '\0';
        cr_assert_gt(strlen(text), 0, "there is no key below %s", prefix);
        return text;
}

/* The etcd lease of a key, as text; "" without one. */
static void lease_of(const char *prefix, char text[32]) {
        char *json = NODES_CTL(&nodes, "get", "--prefix", (char *)prefix, "-w", "json");
        const char *at = strstr(json, "\"lease\":");

        cr_assert_not_null(strstr(json, "\"kvs\""), "there is no key below %s", prefix);
        snprintf(text, 32, "%s", at != NULL ? at + 8 : "");
        text[strspn(text, "0123456789")] = '\0';
        free(json);
}

/* The gateway ignores what it does not know: a mistyped "lease" would make a sign of
 * life that never ends, and one at a record a fence that does. */
Test(etcd_by_hand, the_etcd_lease_is_where_it_should_be) {
        char text[32];
        uint64_t id;

        begin();
        private_daemon_start(&d);
        cr_assert_eq(next_id(&d, &id), 0);
        lease_of("/sfshm/region/0/alive/", text);
        cr_expect_str_neq(text, "");
        lease_of("/sfshm/region/0/host/", text);
        cr_expect_str_eq(text, "");
        lease_of("/sfshm/region/0/used", text);
        cr_expect_str_eq(text, "");
        lease_of("/sfshm/contract", text);
        cr_expect_str_eq(text, "");
        private_daemon_stop(&d);
        end();
}

static bool alive_again(void *old) {
        char *json = NODES_CTL(&nodes, "get", "--prefix", "/sfshm/region/0/alive/", "-w", "json");
        bool yes = strstr(json, "\"lease\":") != NULL && strstr(json, old) == NULL;

        free(json);
        return yes;
}

/* Red when the status of a keepalive is all that is looked at. */
Test(etcd_by_hand, a_revoked_etcd_lease_is_begun_anew) {
        char text[32], hex[32];
        uint64_t id;
        unsigned worker;

        begin();
        private_daemon_start(&d);
        cr_assert_eq(next_id(&d, &id), 0);
        worker = worker_of(id);
        lease_of("/sfshm/region/0/alive/", text);
        snprintf(hex, sizeof(hex), "%llx", strtoull(text, NULL, 10));
        CTL("lease", "revoke", hex);
        cr_assert(wait_until(alive_again, text, 60000));
        cr_assert_eq(next_id(&d, &id), 0);
        cr_expect_eq(worker_of(id), worker);
        cr_expect_not(log_says(&d, "event=lease-lost"));
        private_daemon_stop(&d);
        end();
}

static bool no_id(void *context) {
        uint64_t id;

        return sfshm_next(context, &id) == -ENOTCONN;
}

/* Whoever finds its record gone has lost its worker IDs, and its daemon ends. Nobody
 * guesses what they were used for. */
Test(etcd_by_hand, all_keys_deleted_under_a_host) {
        uint64_t id;
        sfshm *s;
        int status;

        begin();
        private_daemon_start(&d);
        cr_assert_eq(next_id(&d, &id), 0);
        s = private_daemon_open(&d, 0);
        sfshm_set_timeout(s, 0);
        CTL("del", "--prefix", "/sfshm");
        wait_for_log(&d, "event=lease-lost");
        expect_log(&d, "their record is gone");
        status = private_daemon_signal(&d, 0, true);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %#x", (unsigned)status);
        cr_assert(wait_until(no_id, s, 60000), "IDs beyond what it was promised");
        sfshm_close(s);
        cr_assert_eq(private_daemon_start_fails(&d), 3);
        expect_log(&d, "but this host had worker IDs from it");
        end();
}

/* Its own record damaged under it: it writes nothing, and goes on once it is put back. */
Test(etcd_by_hand, a_damaged_record_is_put_back) {
        char *key, *value;
        uint64_t id;

        begin();
        private_daemon_start(&d);
        cr_assert_eq(next_id(&d, &id), 0);
        key = only("/sfshm/region/0/host/", true);
        value = only("/sfshm/region/0/host/", false);
        CTL("put", key, "mistyped");
        wait_for_log(&d, "own, is damaged or of another version: put back its value by hand");
        free(only(key, false));
        CTL("put", key, value);
        wait_for_log(&d, "event=fence-recovered");
        cr_assert_eq(next_id(&d, &id), 0);
        private_daemon_stop(&d);
        free(key);
        free(value);
        end();
}

static void expect_refused(const char *words) {
        forget_log(&other);
        cr_expect_eq(private_daemon_start_fails(&other), 3, "%s", words);
        expect_log(&other, words);
}

/* Each of the keys which all hosts share, and each of the things that must agree. */
Test(etcd_by_hand, what_is_mistyped_or_differs_is_refused) {
        static const char *const bad[] = {
                "", "{", "[]", "7", "{\"version\":1}", "{\"version\":\"1\"}",
                "{\"version\":1,\"workers\":\"0\",\"claims\":-1}",
                "{\"version\":1,\"workers\":\"1024\",\"claims\":1}",
                "{\"version\":1,\"workers\":\"0\",\"claims\":1,\"more\":1}",
                "{\"version\":1,\"workers\":\"0\",\"workers\":\"1\",\"claims\":1}",
                ("{\"version\":1,\"space\":\"00112233445566778899aabbccddeeff\",\"layout\":\"41/10/12\",\"region_bits\":11,\"epoch_unix_ms\":0,"
                 "\"regions\":\"0\"}"),
        };
        static const char *const keys[] = { "/sfshm/contract", "/sfshm/region/0/used" };
        char *value;

        begin();
        private_daemon_start(&d);
        close(open(other.log, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        for (size_t k = 0; k < 2; k++) {
                value = only(keys[k], false);
                for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                        CTL("put", (char *)keys[k], "--", (char *)bad[i]);
                        expect_refused(keys[k] + strlen("/sfshm/"));
                }
                CTL("put", (char *)keys[k], "{\"version\":2}");
                expect_refused("of another version");
                CTL("put", (char *)keys[k], value);
                free(value);
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
